"""The clients by their names, and one way to let any of them follow a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ..client.api import Api
from ..client.stream import Stream
from .cutting import Cutting, cutting
from .following import Following
from .python_events import by_httpx_sse, by_our_parser
from .python_frames import by_websockets

Follow = Callable[[Api, str], AbstractAsyncContextManager[Following]]
TICKET_PATH = "/stream/{stream_id}/ticket"
TICKET_SECONDS = 20.0
PAUSE_SECONDS = 0.05
RATE_LIMITED = 429


@dataclass(frozen=True)
class Client:
    """How to let one follow an address.

    Shape:   ``has_headers`` is whether its user may set any; else a ticket takes the key's place.
             ``ended`` is what it tells at the end of a stream: a status, a close code or nothing.
    """

    follow: Follow
    has_headers: bool = True
    is_socket: bool = False
    ended: int | None = 204


@asynccontextmanager
async def _by_npm(api: Api, address: str) -> AsyncIterator[Following]:
    node = await api.common.at_hand.node()
    async with node.followed(api.transcript, address, api.credential) as following:
        yield following


@asynccontextmanager
async def _by_page(api: Api, address: str) -> AsyncIterator[Following]:
    browser = await api.common.at_hand.chromium()
    async with browser.events(api.transcript, address) as following:
        yield following


@asynccontextmanager
async def _by_socket_of_page(api: Api, address: str) -> AsyncIterator[Following]:
    api.target.has("websocket")
    browser = await api.common.at_hand.chromium()
    async with browser.frames(api.transcript, address) as following:
        yield following


NPM, PAGE = "npm's eventsource", "a browser's page"
CLIENTS = {
    "our strict parser": Client(by_our_parser),
    "httpx-sse": Client(by_httpx_sse),
    NPM: Client(_by_npm),
    PAGE: Client(_by_page, has_headers=False, ended=None),
    "websockets": Client(by_websockets, is_socket=True, ended=1000),
    "a socket of a browser's page": Client(
        _by_socket_of_page, has_headers=False, is_socket=True, ended=1000
    ),
}
# Those that come back and give up by themselves, as the standard has it.
EVENT_SOURCES = {name: CLIENTS[name] for name in (NPM, PAGE)}
EVENT_CLIENTS = {name: client for name, client in CLIENTS.items() if not client.is_socket}


async def ticket_for(stream: Stream) -> str:
    """Return a ticket that opens a stream's events, if need be after some waiting at a limit.

    Raises:  NotThere if the server gives none.
    """
    await stream.api.needs_route("post", TICKET_PATH)
    async with asyncio.timeout(TICKET_SECONDS):
        while (answer := await stream.api.post(f"{stream.path}/ticket")).status == RATE_LIMITED:
            await asyncio.sleep(PAUSE_SECONDS)
    return str(answer.ok(201)["ticket"])


@asynccontextmanager
async def followed(
    client: Client, stream: Stream, network: Cutting | None = None, *, key: str = "", **query: Any
) -> AsyncIterator[Following]:
    """Let a client follow a stream, over a network if one is given.

    Shape:   ``key`` is for one that is not our own.
    Raises:  NotThere if the machine has no such client.
    """
    api = stream.api.with_key(key) if key else stream.api
    named = {name.rstrip("_"): str(value) for name, value in query.items()}
    async with AsyncExitStack() as stack:
        # A ticket opens one socket, and these come back: their key is put in on the way.
        takes_tickets = not client.has_headers and not client.is_socket
        if takes_tickets and await api.has_route("post", TICKET_PATH):
            named["ticket"] = "wrong" if key else await ticket_for(stream)
        elif not client.has_headers:
            if network is None:
                network = await stack.enter_async_context(cutting(api.url))
            network.key = api.key
        url = api.url if network is None else network.url
        address = f"{url}{stream.results_path}?{urlencode(named)}"
        yield await stack.enter_async_context(client.follow(api, address))
