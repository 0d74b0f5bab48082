"""Fifteen seconds in which nothing happens: readers hear a heartbeat, half a request its end."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.client import Client, frame
from tests.product import KEY, Process
from tests.stories.event_bytes import EventBytes
from tests.stories.wire import Heard, request, wire

HEARTBEAT_SECONDS = 15.0
HEAD_SECONDS = 10.0
BODY_SECONDS = 15.0
LATE_SECONDS = 6.0  # What a busy machine may add.
HEADERS = {"x-api-key": KEY}


async def test_readers_hear_a_heartbeat_and_half_requests_are_told_to_go(
    client: Client, server: Process
) -> None:
    stream = await client.start()
    async with asyncio.timeout(45), asyncio.TaskGroup() as tasks:
        events = tasks.create_task(heartbeat(client, server, "text/event-stream"))
        lines = tasks.create_task(heartbeat(client, server, "application/x-ndjson"))
        socket = tasks.create_task(quiet_socket(client))
        whole = request("POST", f"/stream/{stream}/send", HEADERS, b'{"data":"never whole"}')
        head = tasks.create_task(timed_out(server, whole[:30]))
        body = tasks.create_task(timed_out(server, whole[:-1]))
        nothing = tasks.create_task(closed_after(server))

    (beat, after), took = events.result()
    parser = EventBytes()
    # It is no event: no handler is called for it, and the position stays.
    assert not [event for event in parser.feed(beat) if event.data]
    assert parser.comments == 1
    assert b"after the silence" in after
    assert HEARTBEAT_SECONDS - 1 < took < HEARTBEAT_SECONDS + LATE_SECONDS
    (beat, after), took = lines.result()
    assert beat.endswith(b"\n")
    assert b'"data"' not in beat
    assert b"after the silence" in after
    assert HEARTBEAT_SECONDS - 1 < took < HEARTBEAT_SECONDS + LATE_SECONDS

    assert socket.result() == "after the silence"
    for task, seconds in ((head, HEAD_SECONDS), (body, BODY_SECONDS)):
        told, took = task.result()
        assert (told.status, told.code()) == (408, "request-timeout")
        assert told.json()["retriable"] is True
        assert seconds - 1 < took < seconds + LATE_SECONDS
    assert HEAD_SECONDS - 1 < nothing.result() < HEAD_SECONDS + LATE_SECONDS
    assert (await client.page(stream))["results"] == []


async def heartbeat(
    client: Client, server: Process, accept: str
) -> tuple[tuple[bytes, bytes], float]:
    """Return the heartbeat of a new stream, what came after it, and how long it took."""
    stream = await client.start()
    async with wire(server.url) as peer:
        await peer.say(request("GET", f"/stream/{stream}/results", {**HEADERS, "Accept": accept}))
        assert (await peer.hear_head()).status == 200
        begun = time.monotonic()
        await peer.hear_chunk()
        beat = await peer.hear_chunk()
        took = time.monotonic() - begun
        await client.send(stream, "after the silence")
        return (beat, await peer.hear_chunk()), took


async def quiet_socket(client: Client) -> object:
    """Return what a socket gets on which nothing happened for longer than all of these."""
    stream = await client.start()
    async with client.socket(stream) as socket:
        assert (await frame(socket))["type"] == "position"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(BODY_SECONDS + 0.5):
                await socket.recv()
        await client.send(stream, "after the silence")
        return (await frame(socket))["data"]


async def timed_out(server: Process, sent: bytes) -> tuple[Heard, float]:
    """Say a part of a request; return what is answered, and after how long."""
    async with wire(server.url) as peer:
        begun = time.monotonic()
        await peer.say(sent)
        heard = await peer.hear()
        assert await peer.is_closed()
        return heard, time.monotonic() - begun


async def closed_after(server: Process) -> float:
    """Say nothing at all; return after how long the server had enough of it."""
    async with wire(server.url) as peer:
        begun = time.monotonic()
        assert await peer.is_closed()
        return time.monotonic() - begun
