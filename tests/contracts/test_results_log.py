"""core.ports.ResultsLog and Feed, on every adapter: in order, once, and from any position on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from streaming_runtime.core.model import Height, Kind, Position, Stream
from streaming_runtime.core.ports import Bounds, ResultsLog
from streaming_runtime.core.results import EncodedResult
from streaming_runtime.core.settings import KafkaSettings
from tests.contracts.adapters import (
    INCARNATION,
    LOGS,
    WAITING_LOGS,
    KafkaLog,
    WrittenLog,
    stream_of,
)

START = Position(0)


@pytest.fixture(params=LOGS)
async def written(
    request: pytest.FixtureRequest, unmade: KafkaSettings
) -> AsyncIterator[WrittenLog]:
    async with LOGS[request.param](unmade) as written:
        yield written


async def read(
    log: ResultsLog, stream: Stream, position: Position, end: int
) -> list[EncodedResult]:
    """Return a stream's results from a position up to the results offset ``end``."""
    found: list[EncodedResult] = []
    async with asyncio.timeout(15), log.follow(stream, position) as feed:
        while feed.position.offset < end:
            found += await feed.take(2, end)
    return [result for result in found if result.entry.offset < end]


def sources(results: list[EncodedResult]) -> list[str]:
    """Return the sources without the partition, which adapters differ in."""
    return [result.entry.source.partition("-")[2] for result in results]


async def test_a_log_says_whose_positions_it_understands(written: WrittenLog) -> None:
    assert written.log.incarnation.id == INCARNATION.id


async def test_bounds_are_what_exists(written: WrittenLog) -> None:
    stream = stream_of(written)
    empty = await written.log.bounds(written.partition)
    for source in range(5):
        await written.write(stream, source)
    full = await written.log.bounds(written.partition)
    await written.forget_before(2)

    assert (empty, full) == (Bounds(0, 0), Bounds(0, 5))
    assert await written.log.bounds(written.partition) == Bounds(2, 5)


async def test_a_stream_is_read_in_order_without_the_others_of_its_partition(
    written: WrittenLog,
) -> None:
    mine, theirs = stream_of(written), stream_of(written)
    for source in range(9):
        await written.write(theirs if source % 3 else mine, source)

    results = await read(written.log, mine, START, 9)

    assert sources(results) == ["0", "3", "6"]
    assert [result.entry.offset for result in results] == [0, 3, 6]
    assert {result.entry.stream_id for result in results} == {mine.stream_id}
    assert b'"data":{"n":0}' in results[0].json()


@pytest.mark.parametrize("kind", ["result", "failed", "end"])
async def test_every_kind_is_handed_out_as_what_it_is(kind: Kind, written: WrittenLog) -> None:
    stream = stream_of(written)
    await written.write(stream, 0, kind=kind)

    (result,) = await read(written.log, stream, START, 1)

    assert result.entry.kind == kind


async def test_what_was_written_again_is_handed_out_once(written: WrittenLog) -> None:
    mine, theirs = stream_of(written), stream_of(written)
    for source in (0, 1, 2, 1, 2, 3, 0, 4):
        await written.write(theirs if source == 1 else mine, source)

    assert sources(await read(written.log, mine, START, 8)) == ["0", "2", "3", "4"]
    assert sources(await read(written.log, theirs, START, 8)) == ["1"]


async def test_several_results_of_one_record_are_all_handed_out_once(written: WrittenLog) -> None:
    stream = stream_of(written)
    for source, part in ((0, 1), (0, 2), (0, 1), (0, 2), (0, 10), (1, 1), (0, 10), (1, 2)):
        await written.write(stream, source, part=part)

    results = await read(written.log, stream, START, 8)

    assert sources(results) == ["0-1", "0-2", "0-10", "1-1", "1-2"]


async def test_a_reading_may_stop_anywhere_and_go_on_there(written: WrittenLog) -> None:
    stream, other = stream_of(written), stream_of(written)
    for source in (0, 1, 2, 1, 3, 2, 4):
        await written.write(other if source == 3 else stream, source)
    whole = await read(written.log, stream, START, 7)

    for taken, result in enumerate(whole, 1):
        rest = await read(written.log, stream, result.position, 7)
        assert sources(rest) == sources(whole[taken:])


async def test_a_position_carries_the_height_of_what_was_seen(written: WrittenLog) -> None:
    stream = stream_of(written)
    for source in (0, 1, 2, 0, 1, 2, 3):
        await written.write(stream, source)

    results = await read(written.log, stream, Position(3, Height(2)), 7)

    assert sources(results) == ["3"]


async def test_the_tip_is_behind_all_that_was_written_and_knows_its_height(
    written: WrittenLog,
) -> None:
    stream, other = stream_of(written), stream_of(written)
    for source in range(4):
        await written.write(other if source == 3 else stream, source)

    tip = await written.log.tip(written.partition)
    for source in (2, 3, 4):
        await written.write(stream, source)

    assert tip.offset == 4
    assert sources(await read(written.log, stream, tip, 7)) == ["4"]


async def test_the_tip_of_an_empty_partition_is_its_beginning(written: WrittenLog) -> None:
    assert await written.log.tip(written.partition) == START


async def test_results_that_retention_left_are_read_from_the_first(written: WrittenLog) -> None:
    stream = stream_of(written)
    for source in range(6):
        await written.write(stream, source)
    await written.forget_before(4)
    bounds = await written.log.bounds(written.partition)

    results = await read(written.log, stream, Position(bounds.earliest), bounds.end)

    assert sources(results) == ["4", "5"]


async def test_a_position_moves_past_what_is_not_this_streams(written: WrittenLog) -> None:
    mine, theirs = stream_of(written), stream_of(written)
    for source in range(5):
        await written.write(theirs, source)

    async with asyncio.timeout(10), written.log.follow(mine, START) as feed:
        while feed.position.offset < 5:
            assert not await feed.take(1, 5)
        reached = feed.position
        again = await feed.take(5, 5)

    assert reached.offset == 5
    assert not again
    await written.write(theirs, 3)
    await written.write(mine, 5)
    assert sources(await read(written.log, mine, reached, 7)) == ["5"]


async def test_readings_one_after_the_other_do_not_see_each_other(written: WrittenLog) -> None:
    streams = [stream_of(written) for _ in range(4)]
    for source in range(12):
        await written.write(streams[source % 4], source)

    found = [sources(await read(written.log, stream, START, 12)) for stream in streams * 2]

    assert found == [[str(first + step) for step in (0, 4, 8)] for first in range(4)] * 2


@pytest.mark.parametrize("written", WAITING_LOGS, indirect=True)
async def test_a_take_waits_for_a_result_and_no_longer(written: WrittenLog) -> None:
    stream, other = stream_of(written), stream_of(written)
    async with written.log.follow(stream, START) as feed:
        taking = asyncio.ensure_future(feed.take(20))
        await asyncio.sleep(0.2)
        await written.write(other, 0)
        await asyncio.sleep(0.2)
        assert not taking.done()
        await written.write(stream, 1)

        async with asyncio.timeout(3):
            assert sources(list(await taking)) == ["1"]


@pytest.mark.parametrize("written", WAITING_LOGS, indirect=True)
async def test_a_take_that_finds_nothing_is_back_when_its_time_is_over(
    written: WrittenLog,
) -> None:
    async with written.log.follow(stream_of(written), START) as feed:
        await feed.take(0.1)
        started = time.monotonic()

        assert not await feed.take(0.5)

    assert 0.4 < time.monotonic() - started < 1.5


@pytest.mark.parametrize("written", WAITING_LOGS, indirect=True)
async def test_an_interrupted_feed_waits_no_more_and_still_hands_out_what_is_there(
    written: WrittenLog,
) -> None:
    stream = stream_of(written)
    async with asyncio.timeout(10), written.log.follow(stream, START) as feed:
        taking = asyncio.ensure_future(feed.take(20))
        await asyncio.sleep(0.2)
        feed.interrupt()
        assert not await taking
        await written.write(stream, 0)
        found: list[EncodedResult] = []
        while not found:
            found += await feed.take(20)
            await asyncio.sleep(0.01)

    assert sources(found) == ["0"]


@pytest.mark.parametrize("written", WAITING_LOGS, indirect=True)
async def test_only_committed_results_are_read_and_markers_are_passed(written: WrittenLog) -> None:
    assert isinstance(written, KafkaLog)
    stream = stream_of(written)
    await written.write_transaction(stream, [0, 1], is_committed=True)
    await written.write_transaction(stream, [2], is_committed=False)
    await written.write_transaction(stream, [2, 3], is_committed=True)
    bounds = await written.log.bounds(written.partition)

    results = await read(written.log, stream, START, bounds.end)
    tip = await written.log.tip(written.partition)

    assert bounds == Bounds(0, 8)
    assert sources(results) == ["0", "1", "2", "3"]
    # A transaction's marker may be written among what the next ones write, so of the offsets only
    # the order is certain, and that four of the eight are results.
    offsets = [result.entry.offset for result in results]
    assert offsets[:2] == [0, 1] and offsets == sorted(offsets) and offsets[3] < bounds.end
    assert tip == Position(8, Height(3))
