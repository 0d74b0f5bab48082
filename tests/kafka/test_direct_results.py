"""Reading without a hub: one consumer for one reader after the other, each in its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

import pytest

from streaming_runtime.core.cursor import CursorSeal
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.model import Height, Incarnation, Position, Stream
from streaming_runtime.core.results import ResultEncoder
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import direct_results as module
from streaming_runtime.kafka.direct_results import DirectFeed, DirectResults
from tests.kafka.parts import asking_offsets, other_tasks, results_consumer
from tests.kafka.proxy import Proxy
from tests.kafka.results_writer import ResultsWriter, writing_results

ENCODER = ResultEncoder(CursorSeal(b"secret"), "AAAAAAAA")
START = Position(0)


@asynccontextmanager
async def direct(settings: KafkaSettings) -> AsyncIterator[DirectResults]:
    async with asking_offsets(settings) as offsets:
        results = DirectResults(
            settings.results_topic,
            settings.input_topic,
            Incarnation("AAAAAAAA", settings.partitions),
            ENCODER,
            offsets,
            lambda: results_consumer(settings),
        )
        try:
            yield results
        finally:
            await results.close()


@asynccontextmanager
async def reading(
    settings: KafkaSettings,
) -> AsyncIterator[tuple[ResultsWriter, Stream, DirectFeed]]:
    """Give a stream without results and a reader at its beginning."""
    async with direct(settings) as results, writing_results(settings) as writer:
        stream = writer.stream()
        async with results.follow(stream, START) as feed:
            yield writer, stream, feed


async def test_one_consumer_serves_one_reader_after_the_other(settings: KafkaSettings) -> None:
    async with (
        direct(settings) as results,
        writing_results(settings, 1) as one,
        writing_results(settings, 2) as other,
    ):
        streams = [one.stream(), other.stream(), one.stream()]
        for stream, writer in zip(streams, (one, other, one), strict=True):
            await writer.result(stream, b'"%b"' % stream.stream_id.encode())
        consumers = set()
        for stream in streams:
            async with results.follow(stream, START) as feed:
                (found,) = await feed.take(5)
                consumers.add(results._consumer)
            assert found.entry.value == b'"%b"' % stream.stream_id.encode()

    assert len(consumers) == 1


async def test_a_reading_does_not_wait_behind_the_last_fetch_of_the_one_before(
    settings: KafkaSettings,
) -> None:
    async with direct(settings) as results, writing_results(settings) as writer:
        stream = writer.stream()
        await writer.result(stream, b"1")
        end = (await results.bounds(stream.partition)).end
        seconds: list[float] = []
        for _ in range(9):
            begun = time.monotonic()
            async with results.follow(stream, START) as feed:
                assert len(await feed.take(5, end)) == 1
            seconds.append(time.monotonic() - begun)

    # A fetch at the end of a partition waits for 100 ms at the broker.
    assert median(seconds) < 0.06


@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.7])
async def test_a_take_that_finds_nothing_is_back_in_time(
    seconds: float, settings: KafkaSettings
) -> None:
    async with reading(settings) as (_, _, feed):
        await feed.take(0.1)
        started = time.monotonic()
        taken = await feed.take(seconds)

    assert taken == []
    assert seconds <= time.monotonic() - started < seconds + 0.3


async def test_a_take_is_back_as_soon_as_there_is_a_result(settings: KafkaSettings) -> None:
    async with reading(settings) as (writer, stream, feed):
        taking = asyncio.ensure_future(feed.take(20))
        await asyncio.sleep(0.3)
        await writer.result(stream)

        async with asyncio.timeout(2):
            assert len(await taking) == 1


async def test_an_interrupted_take_is_back_soon(settings: KafkaSettings) -> None:
    async with reading(settings) as (_, _, feed):
        taking = asyncio.ensure_future(feed.take(20))
        await asyncio.sleep(0.1)
        feed.interrupt()

        async with asyncio.timeout(1.5):
            assert await taking == []
            assert await feed.take(20) == []


async def test_a_take_is_bounded_and_the_next_goes_on_behind_it(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_RECORDS", 4)
    sources: list[str] = []
    async with direct(settings) as results, writing_results(settings) as writer:
        stream = writer.stream()
        written = [await writer.result(stream) for _ in range(10)]
        async with results.follow(stream, START) as feed:
            while len(sources) < 10:
                taken = await feed.take(5)
                assert 0 < len(taken) <= 4
                assert feed.position == taken[-1].position
                sources += [result.entry.source for result in taken]

    assert sources == written


async def test_the_tip_knows_the_height_from_the_records_before_it(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEIGHT_RESULTS", 3)
    async with direct(settings) as results, writing_results(settings) as writer:
        empty = await results.tip(1)
        stream = writer.stream()
        for source in (0, 1, 2, 3, 4, 3, 4):
            await writer.result(stream, source=source)
        tip = await results.tip(1)
        async with results.follow(stream, tip) as feed:
            await writer.result(stream, source=4)
            new = await writer.result(stream, source=5)
            (found,) = await feed.take(5)

    assert empty == Position(0)
    assert tip == Position(7, Height(4))
    assert found.entry.source == new


async def test_a_position_that_has_gone_is_told_and_the_next_reading_works(
    settings: KafkaSettings,
) -> None:
    async with direct(settings) as results, writing_results(settings) as writer:
        stream = writer.stream()
        await writer.result(stream)
        async with results.follow(stream, Position(1_000)) as feed:
            with pytest.raises(BrokerUnavailable, match="have just gone"):
                await feed.take(5)

        async with results.follow(stream, START) as feed:
            assert len(await feed.take(5)) == 1


async def test_who_comes_during_a_reading_waits_a_while_and_is_told(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TURN_SECONDS", 0.1)
    async with direct(settings) as results, writing_results(settings) as writer:
        stream = writer.stream()
        await writer.result(stream)
        async with results.follow(stream, START):
            with pytest.raises(BrokerUnavailable, match="under way"):
                await results.tip(1)

        assert (await results.tip(1)).offset == 1


async def test_after_a_consumers_death_the_next_reading_has_a_new_one(
    settings: KafkaSettings,
) -> None:
    async with direct(settings) as results, writing_results(settings) as writer:
        stream = writer.stream()
        async with results.follow(stream, START) as feed:
            await feed.take(0.1)
            assert results._consumer is not None
            results._consumer._started()._fetcher._fetch_task.cancel()
            with pytest.raises(BrokerUnavailable):
                await feed.take(5)
            # Nobody should come back to this feed; who does gets the same answer.
            with pytest.raises(BrokerUnavailable):
                await feed.take(5)
        await writer.result(stream)

        async with results.follow(stream, START) as feed:
            assert len(await feed.take(5)) == 1


async def test_a_reading_goes_on_by_itself_after_the_connection_was_reset(
    proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    before = other_tasks()
    async with direct(proxied_settings) as results, writing_results(proxied_settings) as writer:
        stream = writer.stream()
        async with results.follow(stream, START) as feed:
            await feed.take(0.1)
            proxy.reset()
            await writer.result(stream)
            async with asyncio.timeout(5):
                assert len(await feed.take(5)) == 1
    await asyncio.sleep(0)
    assert not {task for task in other_tasks() - before if "proxy" not in repr(task)}


async def test_where_kafka_cannot_be_reached_opening_is_refused() -> None:
    unreachable = KafkaSettings("127.0.0.1:1", "plaintext", "t.", 1)
    async with direct(unreachable) as results:
        with pytest.raises(BrokerUnavailable):
            async with asyncio.timeout(3):
                await results.tip(0)
