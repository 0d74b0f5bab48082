"""A thousand readers in one process: each gets its own exactly once, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import pytest

from streaming_runtime.live.server import raise_descriptor_limit
from tests.eventually import eventually, until
from tests.product import KEY, Process
from tests.stories.crowd import Crowd
from tests.stories.figures import Figures, figures_of, sockets_of
from tests.stories.wire import Wire, request, wire

READERS = 1_000
CONNECTIONS = 25
HEADERS = {"x-api-key": KEY}
SECONDS = 40.0
# Allocators keep pages; a leak of a task, a queue and a connection a reader is far more.
GROWTH_BYTES = 24 << 20


@asynccontextmanager
async def senders(server: Process) -> AsyncIterator[list[Wire]]:
    """Give a few connections that are kept alive."""
    raise_descriptor_limit()
    async with AsyncExitStack() as opened:
        yield [await opened.enter_async_context(wire(server.url)) for _ in range(CONNECTIONS)]


async def start_all(connections: Sequence[Wire], count: int) -> list[str]:
    async def start(connection: Wire) -> list[str]:
        found = []
        for _ in range(count // len(connections)):
            heard = await connection.ask(request("POST", "/stream/start", HEADERS, b""))
            assert heard.status == 201
            found.append(heard.json()["stream_id"])
        return found

    return [stream for some in await asyncio.gather(*map(start, connections)) for stream in some]


async def send_all(
    connections: Sequence[Wire], streams: Sequence[str], numbers: Iterable[int]
) -> None:
    """Send the same numbers into each stream, as one batch for each."""
    body = ("[" + ",".join(f'{{"data":{number}}}' for number in numbers) + "]").encode()

    async def send(connection: Wire, own: Sequence[str]) -> None:
        for stream in own:
            heard = await connection.ask(request("POST", f"/stream/{stream}/send", HEADERS, body))
            assert (heard.status, heard.json()["failed"]) == (207, 0)

    shares = [streams[first :: len(connections)] for first in range(len(connections))]
    await asyncio.gather(*map(send, connections, shares))


async def readers_return_to(server: Process, count: float) -> Figures:
    return await until(
        partial(figures_of, server), lambda f: f.value("millrace_readers") == count, SECONDS
    )


async def test_readers_of_a_thousand_streams_get_each_result_once_and_leave_nothing(
    server: Process,
) -> None:
    before = await figures_of(server)
    readers, sockets = before.value("millrace_readers"), sockets_of(server)
    async with asyncio.timeout(55), senders(server) as connections:
        streams = await start_all(connections, READERS)
        crowd = Crowd(server.url, streams)
        try:
            await crowd.open()
            await readers_return_to(server, readers + READERS)
            await send_all(connections, streams, range(3))
            await eventually(lambda: crowd.all(lambda one: len(one.results) >= 3), SECONDS)
            crowd.drop()
            gone = await readers_return_to(server, readers)

            # While nobody was there; then all come back in the same moment.
            await send_all(connections, streams, range(3, 5))
            await crowd.open(at_once=READERS)
            await send_all(connections, streams, range(5, 6))
            await eventually(lambda: crowd.all(lambda one: len(one.results) >= 6), SECONDS)
        finally:
            crowd.drop()
        await readers_return_to(server, readers)
    await eventually(lambda: sockets_of(server) <= sockets)
    after = await figures_of(server)

    for listener in crowd.listeners:
        assert [result["data"] for result in listener.results] == list(range(6))
        assert {result["stream_id"] for result in listener.results} == {listener.stream}
        assert (listener.status, listener.told) == (b"200", [])
    assert after.value("process_open_fds") <= before.value("process_open_fds") + 8
    assert resident(after) - resident(gone) < GROWTH_BYTES


@pytest.mark.soak
async def test_a_thousand_readers_of_one_stream_see_the_same_and_leave_nothing(
    server: Process,
) -> None:
    readers = (await figures_of(server)).value("millrace_readers")
    sockets = sockets_of(server)
    async with asyncio.timeout(55), senders(server) as connections:
        [stream, *_] = await start_all(connections, CONNECTIONS)
        crowd = Crowd(server.url, [stream] * READERS)
        try:
            await crowd.open()
            for first in range(0, 20, 5):
                await send_all(connections[:1], [stream], range(first, first + 5))
            await eventually(lambda: crowd.all(lambda one: len(one.results) >= 20), SECONDS)
            delivered = await figures_of(server)
            crowd.drop()
            await readers_return_to(server, readers)

            await send_all(connections[:1], [stream], range(20, 25))
            await crowd.open(at_once=READERS)
            await eventually(lambda: crowd.all(lambda one: len(one.results) >= 25), SECONDS)
        finally:
            crowd.drop()
        await readers_return_to(server, readers)
    await eventually(lambda: sockets_of(server) <= sockets)

    seen = crowd.listeners[0].results
    assert [result["data"] for result in seen] == list(range(25))
    assert all(listener.results == seen for listener in crowd.listeners)
    assert delivered.value("millrace_results_delivered_total") >= 20 * READERS


def resident(figures: Figures) -> float:
    return figures.value("process_resident_memory_bytes")
