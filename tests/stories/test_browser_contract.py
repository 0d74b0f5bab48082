"""What an EventSource, a fetch and a WebSocket of a browser need, byte by byte."""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.client import Client
from tests.product import KEY, Process
from tests.stories.event_bytes import EventBytes
from tests.stories.wire import Wire, request, wire

CURSOR = re.compile(r"[A-Za-z0-9._-]{1,128}")
# Promised is under 100 ms; a busy machine shares its two processors with a broker.
FIRST_BYTES_SECONDS = 0.1
TRIES = 5


async def opened(peer: Wire, stream: str, accept: str = "text/event-stream") -> dict[str, str]:
    """Open a reader and return the header fields of its answer."""
    fields = {"x-api-key": KEY, "Accept": accept, "Accept-Encoding": "gzip, br"}
    await peer.say(request("GET", f"/stream/{stream}/results", fields))
    head = await peer.hear_head()
    assert head.status == 200
    return head.headers


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson", "*/*"])
async def test_the_first_bytes_come_at_once_on_an_empty_stream(
    client: Client, server: Process, accept: str
) -> None:
    took: list[float] = []
    for _ in range(TRIES):
        stream = await client.start()
        async with wire(server.url) as peer:
            begun = time.monotonic()
            await opened(peer, stream, accept)
            first = await peer.hear_chunk()
            took.append(time.monotonic() - begun)

    assert first
    assert min(took) < FIRST_BYTES_SECONDS, took


async def test_an_event_stream_has_the_headers_that_keep_it_flowing(
    client: Client, server: Process
) -> None:
    stream = await client.start()
    async with wire(server.url) as peer:
        headers = await opened(peer, stream)

    assert headers["content-type"] == "text/event-stream"
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-content-type-options"] == "nosniff"
    assert "content-encoding" not in headers
    assert "content-length" not in headers
    assert "server" not in headers


async def test_the_first_event_is_a_bare_id_and_a_jittered_retry(
    client: Client, server: Process
) -> None:
    stream, retries = await client.start(), set[int | None]()
    for _ in range(8):
        async with wire(server.url) as peer:
            await opened(peer, stream)
            [event] = EventBytes().feed(await peer.hear_chunk())
            assert not event.data
            assert CURSOR.fullmatch(event.id)
            retries.add(event.retry)

    assert None not in retries
    assert len(retries) > 1


async def test_results_have_no_name_and_failures_have(client: Client, server: Process) -> None:
    stream = await client.start(processor={"name": "reject", "when": "bad"})
    async with asyncio.timeout(30), wire(server.url) as peer:
        await opened(peer, stream)
        parser, raw = EventBytes(), await peer.hear_chunk()
        parser.feed(raw)
        await client.send(stream, {"bad": False, "text": "two\nlines\r\u2028\u0085"})
        good = await peer.hear_chunk()
        await client.send(stream, {"bad": True})
        bad = await peer.hear_chunk()
        await client.http.post(f"/stream/{stream}/end")
        end = await peer.hear_chunk()
        last = await peer.hear_chunk()

    # One line each and no more, whatever a client's idea of the end of a line is.
    assert good.startswith(b"id: ")
    assert good.count(b"\n") == 3
    assert len(good.decode().splitlines()) == 3
    assert b"event:" not in good
    assert b"\nevent: failed\n" in bad
    assert b"\nevent: end\n" in end
    assert last == b""
    for told in (good, bad, end):
        [event] = parser.feed(told)
        assert event.id == event.json()["id"]
        assert CURSOR.fullmatch(event.id)


async def test_a_socket_of_another_origin_is_closed_and_one_of_ours_is_not(
    client: Client, server: Process
) -> None:
    stream = await client.start()
    address = f"{server.url.replace('http', 'ws')}/stream/{stream}/results"

    async def code_for(origin: str | None) -> int | None:
        headers = client.headers | ({} if origin is None else {"Origin": origin})
        async with connect(address, additional_headers=headers, proxy=None) as socket:
            with suppress(ConnectionClosed):
                async with asyncio.timeout(10):
                    assert json.loads(await socket.recv())["type"] == "position"
            return socket.close_code

    assert await code_for(None) is None
    assert await code_for(server.url) is None
    assert await code_for("https://elsewhere.example") == 4403
    assert await code_for("null") == 4403


async def test_a_refusal_that_is_the_clients_fault_stops_an_event_source(client: Client) -> None:
    stream = await client.start()
    headers = {"accept": "text/event-stream"}
    for path, key, status in (
        (f"/stream/{stream}/results?cursor=nonsense", KEY, 400),
        (f"/stream/{stream}/results?limit=0", KEY, 400),
        (f"/stream/{stream}/results", "wrong", 401),
        ("/stream/0123456789012345678901/results", KEY, 404),
    ):
        answer = await client.http.get(path, headers=headers | {"x-api-key": key})

        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
