"""Who does not read delays nobody, and is gone with all it held; who reads slowly loses nothing."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial

import pytest

from tests.client import Client
from tests.eventually import eventually, until
from tests.product import KEY, Process
from tests.stories.event_bytes import Event, EventBytes
from tests.stories.figures import figures_of, leftovers_of, sockets_of
from tests.stories.readers import Reader
from tests.stories.stalling import SMALLEST_BUFFER, stall
from tests.stories.wire import Chunks, Wire, request, wire

HEALTHY = 20
RECORDS = 150
# More than our queue, our write buffer and what the kernel holds for one peer, all together.
FILLING = "x" * 8_192
# 10 s without progress, and what a busy machine adds; counted from the last byte it took.
GONE_SECONDS = 16.0
PROMPT_SECONDS = 3.0
# So slow that a full write buffer stays full for longer than the 5 s that a full queue may last.
BYTES_PER_SECOND = 6_000
SLOW_SECONDS = 9.0
STALLED = ("text/event-stream", "application/x-ndjson", "text/event-stream", "socket", "socket")
SLOW_TOTAL = "millrace_readers_slow_total"


async def read_promptly(client: Client, stream: str, sent: list[float]) -> float:
    """Read all records; return the longest time from the sending of one to its result."""
    slowest = 0.0
    async with client.events(stream) as events:
        number = 0
        async for event in events:
            if event.data:
                assert event.json()["data"]["number"] == number
                slowest = max(slowest, time.monotonic() - sent[number])
                number += 1
            if number == RECORDS:
                break
    return slowest


async def send_all(client: Client, stream: str, sent: list[float]) -> None:
    for number in range(RECORDS):
        sent.append(time.monotonic())
        await client.send(stream, {"number": number, "filling": FILLING})


async def test_readers_that_never_read_delay_nobody_and_are_gone_in_time(
    client: Client, server: Process
) -> None:
    stream, sent = await client.start(), list[float]()
    sockets_before = sockets_of(server)
    readers_before = (await figures_of(server)).value("millrace_readers")
    async with asyncio.timeout(55), AsyncExitStack() as opened:
        for form in STALLED:
            await stall(opened, server, stream, form)
        healthy = [
            asyncio.ensure_future(read_promptly(client, stream, sent)) for _ in range(HEALTHY)
        ]
        await until(
            partial(readers_of, server),
            lambda readers: readers == readers_before + HEALTHY + len(STALLED),
        )

        await send_all(client, stream, sent)
        begun = time.monotonic()
        slowest = max(await asyncio.gather(*healthy))

        # The peers are still there, and still do not read: the server gives them up by itself.
        await until(partial(readers_of, server), lambda r: r <= readers_before, GONE_SECONDS)
        took = time.monotonic() - begun
        await eventually(lambda: not leftovers_of(server))
    await client.http.aclose()
    await eventually(lambda: sockets_of(server) <= sockets_before)

    assert slowest < PROMPT_SECONDS
    assert took < GONE_SECONDS


async def readers_of(server: Process) -> float:
    return (await figures_of(server)).value("millrace_readers")


@pytest.mark.timeout(120)
async def test_a_reader_that_is_too_slow_is_sent_away_and_resumes_without_loss(
    client: Client, server: Process
) -> None:
    stream, sent = await client.start(), list[float]()
    before = (await figures_of(server)).value(SLOW_TOTAL)
    async with asyncio.timeout(110), wire(server.url, SMALLEST_BUFFER) as peer:
        headers = {"x-api-key": KEY, "Accept": "text/event-stream"}
        await peer.say(request("GET", f"/stream/{stream}/results", headers))
        assert (await peer.hear_head()).status == 200
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(send_all(client, stream, sent))
            reading = tasks.create_task(read_slowly(peer, sending))
        events = reading.result()

        farewell = events[-1]
        # A browser's parser keeps the last id: that of the bare event before the farewell.
        reader = Reader(client, stream, farewell.id)
        reader.results = [event.json() for event in events if event.name == "message"]
        seen = len(reader.results)
        await reader.sse(most=RECORDS - seen)

    assert farewell.name == "slow"
    assert (await figures_of(server)).value(SLOW_TOTAL) == before + 1
    assert farewell.retry == farewell.json()["retry_ms"]
    assert 0 < seen < RECORDS
    assert [result["data"]["number"] for result in reader.results] == list(range(RECORDS))


async def read_slowly(peer: Wire, sending: asyncio.Task[None]) -> list[Event]:
    """Read slowly, yet never stop, until some time after all is sent; return what has data."""
    chunks, parser = Chunks(), EventBytes()
    events: list[Event] = []
    loop = asyncio.get_running_loop()
    slow_until = float("inf")
    while not chunks.is_complete:
        piece = await peer.hear_some(1_024)
        assert piece, "cut off"
        events += [event for event in parser.feed(chunks.feed(piece)) if event.data]
        assert len(events) < RECORDS, "was never sent away"
        if sending.done():
            slow_until = min(slow_until, loop.time() + SLOW_SECONDS)
        if loop.time() < slow_until:
            await asyncio.sleep(len(piece) / BYTES_PER_SECOND)
    return events
