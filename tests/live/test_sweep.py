"""Readers that come back together share one pass over the log, whatever their positions."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streaming_runtime.core.model import Height, Position, Stream
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.live import sweep
from streaming_runtime.live.hub import Hub
from tests.kafka.conftest import settings, unmade
from tests.live.history import PARTITION, Counting, History, counted_hub, written_history

__all__ = ["settings", "unmade"]

log = logging.getLogger("soak")

RESULTS = 20_000
STREAMS = 40
READERS = 1_000


@asynccontextmanager
async def watched_live(hub: Hub, history: History) -> AsyncIterator[list[float]]:
    """Send to a reader that is live all the while; give how long each result took to it."""
    stream, delays = history.new_stream(), list[float]()
    loop = asyncio.get_running_loop()

    async def send() -> None:
        while True:
            await history.write(stream, b"%d" % int(loop.time() * 1e6))
            await asyncio.sleep(0.02)

    async def read() -> None:
        async with hub.follow(stream, await hub.tip(PARTITION)) as feed:
            while True:
                for result in await feed.take(5):
                    delays.append(loop.time() - int(result.entry.value) / 1e6)

    tasks = [asyncio.ensure_future(work) for work in (read(), send())]
    try:
        yield delays
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def resumed(
    hub: Hub, history: History, stream: Stream, seen: int, pause_seconds: float = 0.0
) -> list[int]:
    """Come back after ``seen`` results of a stream and read the rest of its history."""
    expected = history.sources[stream.stream_id]
    position = Position(0)
    if seen:
        # Sources and offsets are the same here: nothing was written twice.
        position = Position(expected[seen - 1] + 1, Height(expected[seen - 1]))
    sources: list[int] = []
    async with hub.follow(stream, position) as feed:
        while len(sources) < len(expected) - seen and not feed.has_lagged:
            sources += [result.entry.height.offset for result in await feed.take(10)]
            await asyncio.sleep(pause_seconds)
    return sources


async def test_a_thousand_readers_that_come_back_together_read_a_partition_once(
    settings: KafkaSettings,
) -> None:
    async with (
        asyncio.timeout(50),
        written_history(settings, RESULTS, STREAMS) as history,
        counted_hub(settings) as (hub, counting),
    ):
        places = [(s, random.randrange(len(history.sources[s.stream_id]))) for s in history.streams]
        readers = [places[number % STREAMS] for number in range(READERS)]
        async with watched_live(hub, history) as delays:
            found = await asyncio.gather(*(resumed(hub, history, *reader) for reader in readers))

    for (stream, seen), sources in zip(readers, found, strict=True):
        assert sources == history.sources[stream.stream_id][seen:]
    # All came in one turn of the loop; who came later would have needed a second pass.
    assert counting.records <= 1.2 * RESULTS
    assert counting.passes == 1
    assert len(delays) > 5


@pytest.mark.soak
async def test_readers_that_dawdle_cost_passes_but_neither_holes_nor_one_scan_each(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming_runtime.live.subscription.QUEUE_RESULTS", 50)
    results, streams = 6_000, 5
    async with (
        asyncio.timeout(50),
        written_history(settings, results, streams) as history,
        counted_hub(settings) as (hub, counting),
    ):
        readers = [(history.streams[number % streams], number) for number in range(200)]
        pauses = [0.0, 0.0, 0.0, 0.001, 0.03]
        found = await asyncio.gather(
            *(
                resumed(hub, history, stream, seen, pauses[number % len(pauses)])
                for number, (stream, seen) in enumerate(readers)
            )
        )

    for (stream, seen), sources in zip(readers, found, strict=True):
        assert sources == history.sources[stream.stream_id][seen:]
    assert counting.records < len(readers) / 4 * results


async def test_readers_that_leave_during_a_pass_are_let_go_and_end_it(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "TURN_ENTRIES", 10)
    async with (
        asyncio.timeout(30),
        written_history(settings, RESULTS, 2) as history,
        counted_hub(settings) as (hub, counting),
    ):
        for stream in history.streams:
            async with hub.follow(stream, Position(0)) as feed:
                assert await feed.take(10)
        async with asyncio.timeout(10):
            while hub._sweeps._running:
                await asyncio.sleep(0.01)

    assert counting.records < RESULTS / 2


async def test_a_late_reader_ahead_of_a_pass_comes_aboard_and_costs_none(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "TURN_ENTRIES", 50)
    async with (
        asyncio.timeout(30),
        written_history(settings, RESULTS, 4) as history,
        counted_hub(settings) as (hub, counting),
    ):
        first, *late = history.streams
        whole = asyncio.ensure_future(resumed(hub, history, first, 0))
        while not counting.records:
            await asyncio.sleep(0)
        ahead = [len(history.sources[stream.stream_id]) // 2 for stream in late]
        found = await asyncio.gather(
            *(resumed(hub, history, s, seen) for s, seen in zip(late, ahead, strict=True))
        )
        assert await whole == history.sources[first.stream_id]

    for stream, seen, sources in zip(late, ahead, found, strict=True):
        assert sources == history.sources[stream.stream_id][seen:]
    assert counting.passes == 1


async def test_a_reader_that_looks_for_an_offset_finds_it_on_the_way(
    settings: KafkaSettings,
) -> None:
    async with (
        asyncio.timeout(30),
        written_history(settings, RESULTS, 1) as history,
        counted_hub(settings) as (hub, _),
    ):
        silent = history.new_stream()
        async with hub.follow(silent, Position(0)) as feed:
            assert await feed.take(20, RESULTS // 2) == ()
            middle = feed.position
            assert await feed.take(20, RESULTS) == ()
            end = feed.position

    assert RESULTS // 2 <= middle.offset <= RESULTS
    assert end == Position(RESULTS, Height(RESULTS - 1))


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("streams", "readers"), [(500, 5_000), (5_000, 5_000)])
async def test_five_thousand_readers_over_a_long_log(
    streams: int, readers: int, settings: KafkaSettings
) -> None:
    results = 200_000
    async with (
        written_history(settings, results, streams) as history,
        counted_hub(settings) as (hub, counting),
    ):
        memory = Counting.resident()
        places = [
            (s, random.randrange(len(history.sources[s.stream_id]) or 1)) for s in history.streams
        ]
        async with watched_live(hub, history) as delays:
            found = await asyncio.gather(
                *(resumed(hub, history, *places[n % streams]) for n in range(readers))
            )
        grown = Counting.resident() - memory

    for number, sources in enumerate(found):
        stream, seen = places[number % streams]
        assert sources == history.sources[stream.stream_id][seen:]
    delays.sort()
    log.info(
        "%d readers, %d streams: %.2f of the log read, %d passes, %d MB, a live result took %d ms"
        " (median), %d ms (worst)",
        *(readers, streams, counting.records / results, counting.passes, grown / 1e6),
        *(1000 * delays[len(delays) // 2], 1000 * delays[-1]),
    )
    assert counting.records <= 2 * results
    assert grown < 300 << 20
