"""The hub over a real results topic."""

from __future__ import annotations

import asyncio
import random

import pytest

from streaming_runtime.core.model import NOTHING_SEEN, Position, Stream
from streaming_runtime.live import hub as hub_module
from streaming_runtime.live import partition, subscription
from streaming_runtime.live.hub import Hub
from tests.eventually import eventually
from tests.live.conftest import Results


async def read(hub: Hub, stream: Stream, position: Position, count: int) -> list[str]:
    """Return the sources of the next ``count`` results."""
    sources: list[str] = []
    async with asyncio.timeout(20), hub.follow(stream, position) as feed:
        while len(sources) < count:
            sources += [result.entry.source for result in await feed.take(1)]
    return sources


def start_of(stream: Stream) -> Position:
    return Position(stream.first_offset, NOTHING_SEEN)


async def test_results_written_before_and_after_a_reader_came_arrive_in_order(
    hub: Hub, results: Results
) -> None:
    stream = await results.stream()
    before = [await results.write(stream, b"1") for _ in range(3)]

    reading = asyncio.ensure_future(read(hub, stream, start_of(stream), 6))
    after = [await results.write(stream, b"2") for _ in range(3)]

    assert await reading == before + after


async def test_a_source_that_was_written_again_arrives_once(hub: Hub, results: Results) -> None:
    stream = await results.stream()
    for source in (0, 1, 2, 1, 2, 3):
        await results.write(stream, b"1", source)

    sources = await read(hub, stream, start_of(stream), 4)

    assert [s.partition("-")[2] for s in sources] == ["0", "1", "2", "3"]


async def test_the_tip_is_behind_all_that_was_written(hub: Hub, results: Results) -> None:
    stream = await results.stream()
    await results.write(stream, b"1")

    tip = await hub.tip(stream.partition)
    source = await results.write(stream, b"2")

    assert await read(hub, stream, tip, 1) == [source]


async def test_readers_of_old_and_new_positions_splice_without_hole_or_repeat(
    hub: Hub, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A ring and queues so small that every way is taken: sweep, ring, live, parked, behind.
    monkeypatch.setattr(partition, "RING_RESULTS", 50)
    monkeypatch.setattr(subscription, "QUEUE_RESULTS", 20)
    monkeypatch.setattr(hub_module, "PRIME_RESULTS", 50)
    streams = [await results.stream() for _ in range(4)]
    written: dict[str, list[str]] = {stream.stream_id: [] for stream in streams}

    async def write(count: int) -> None:
        for _ in range(count):
            stream = random.choice(streams)
            written[stream.stream_id].append(await results.write(stream, b"1"))

    await write(400)
    readers = [(s, asyncio.ensure_future(drained(hub, s))) for s in streams for _ in range(5)]
    await write(400)
    finals = {s.stream_id: await results.write(s, b'"last"') for s in streams}

    for stream, reading in readers:
        expected = [*written[stream.stream_id], finals[stream.stream_id]]
        assert await reading == expected


async def drained(hub: Hub, stream: Stream) -> list[str]:
    """Read up to the result that says it is the last, at an uneven pace."""
    sources: list[str] = []
    async with asyncio.timeout(30), hub.follow(stream, start_of(stream)) as feed:
        while True:
            for result in await feed.take(1):
                sources.append(result.entry.source)
                if result.entry.value == b'"last"':
                    return sources
            await asyncio.sleep(random.choice([0, 0, 0.01]))


async def test_a_partition_nobody_reads_is_dropped_and_opened_again(
    hub: Hub, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "KEEP_IDLE_SECONDS", 0.0)
    stream = await results.stream()
    first = await results.write(stream, b"1")
    assert await read(hub, stream, start_of(stream), 1) == [first]
    await eventually(lambda: not hub._partitions)

    second = await results.write(stream, b"2")

    assert await read(hub, stream, start_of(stream), 2) == [first, second]


async def test_a_partition_that_joins_does_not_disturb_those_that_are_read(
    hub: Hub, results: Results, caplog: pytest.LogCaptureFixture
) -> None:
    first = await results.stream()
    other = await results.stream()
    while other.partition == first.partition:
        other = await results.stream()
    await read_all_of(hub, results, first)

    await read_all_of(hub, results, other)

    assert hub.is_reading
    assert [r for r in caplog.records if r.name == "millrace.live.hub"] == []


async def read_all_of(hub: Hub, results: Results, stream: Stream) -> None:
    source = await results.write(stream, b"1")
    assert await read(hub, stream, start_of(stream), 1) == [source]
