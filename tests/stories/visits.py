"""Connections that come and go in every way a client has: politely, by a reset, or not at all."""

from __future__ import annotations

import asyncio
import base64
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.product import KEY, Process
from tests.stories.stalling import stall
from tests.stories.wire import Wire, request, wire

SSE, NDJSON, JSON = "text/event-stream", "application/x-ndjson", "application/json"
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
# A close frame of a client, with the code 1000, masked with zeros.
CLOSE_FRAME = b"\x88\x82\0\0\0\0\x03\xe8"
# How long a page is waited for by who does not wait for it.
PAGE_SECONDS = 4


@dataclass(frozen=True)
class Place:
    """Where visits go: a server, a stream with results to read, and one that has ended."""

    server: Process
    stream: str
    ended: str
    stalled_seconds: float


Visit = Callable[[Place], Awaitable[None]]


class Kind(NamedTuple):
    """One way to come and go, with how often it is taken among the others."""

    visit: Visit
    weight: int


@asynccontextmanager
async def resetting(url: str) -> AsyncIterator[Wire]:
    """Connect; leaving the block resets the connection, whatever is under way."""
    address = urlsplit(url)
    peer = socket.socket()
    peer.setblocking(False)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    await asyncio.get_running_loop().sock_connect(peer, (address.hostname, address.port))
    reader, writer = await asyncio.open_connection(sock=peer)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def asked(stream: str, accept: str, query: str = "", **more: str) -> bytes:
    headers: Mapping[str, str] = {"x-api-key": KEY, "Accept": accept, **more}
    return request("GET", f"/stream/{stream}/results{query}", headers)


def upgraded(stream: str, key: str = KEY) -> bytes:
    nonce = base64.b64encode(secrets.token_bytes(16)).decode()
    return request(
        "GET",
        f"/stream/{stream}/results",
        {
            "x-api-key": key,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": nonce,
        },
    )


def read_and_left(accept: str, *, is_reset: bool) -> Visit:
    async def visit(place: Place) -> None:
        async with (resetting if is_reset else wire)(place.server.url) as peer:
            await peer.say(asked(place.stream, accept))
            assert (await peer.hear_head()).status == 200
            await peer.hear_some()

    return visit


def read_to_its_end(accept: str) -> Visit:
    async def visit(place: Place) -> None:
        async with wire(place.server.url) as peer:
            await peer.say(asked(place.stream, accept, "?limit=2"))
            assert (await peer.hear()).status == 200

    return visit


async def page_waited_for(place: Place) -> None:
    async with wire(place.server.url) as peer:
        heard = await peer.ask(asked(place.stream, JSON, "?from=now&wait=1"))
        assert heard.status in (200, 204)


async def page_not_waited_for(place: Place) -> None:
    async with resetting(place.server.url) as peer:
        await peer.say(asked(place.stream, JSON, f"?from=now&wait={PAGE_SECONDS}"))
        await asyncio.sleep(0.1)


async def nothing_left_to_read(place: Place) -> None:
    async with wire(place.server.url) as peer:
        heard = await peer.ask(asked(place.ended, SSE))
        assert heard.status in (200, 204)


def socket_left(*, is_polite: bool) -> Visit:
    async def visit(place: Place) -> None:
        async with (wire if is_polite else resetting)(place.server.url) as peer:
            await peer.say(upgraded(place.stream))
            assert (await peer.hear_head()).status == 101
            await peer.hear_some()
            if is_polite:
                await peer.say(CLOSE_FRAME)
                await peer.hear_all()

    return visit


async def socket_refused(place: Place) -> None:
    async with wire(place.server.url) as peer:
        await peer.say(upgraded(place.stream, key="another"))
        await peer.hear_head()
        await peer.hear_all()


async def half_a_head(place: Place) -> None:
    async with resetting(place.server.url) as peer:
        await peer.say(asked(place.stream, SSE)[:40])


def stalled(form: str) -> Visit:
    async def visit(place: Place) -> None:
        async with AsyncExitStack() as opened:
            await stall(opened, place.server, place.stream, form)
            await asyncio.sleep(place.stalled_seconds)

    return visit


KINDS = (
    Kind(read_and_left(SSE, is_reset=False), 15),
    Kind(read_and_left(SSE, is_reset=True), 15),
    Kind(read_and_left(NDJSON, is_reset=False), 8),
    Kind(read_and_left(NDJSON, is_reset=True), 8),
    Kind(read_to_its_end(SSE), 5),
    Kind(read_to_its_end(NDJSON), 5),
    Kind(page_waited_for, 5),
    Kind(page_not_waited_for, 8),
    Kind(nothing_left_to_read, 3),
    Kind(socket_left(is_polite=True), 8),
    Kind(socket_left(is_polite=False), 8),
    Kind(socket_refused, 2),
    Kind(half_a_head, 4),
    Kind(stalled(SSE), 2),
    Kind(stalled(NDJSON), 2),
    Kind(stalled("socket"), 2),
)
