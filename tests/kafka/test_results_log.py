"""The results topic as entries: what counts as one, and a consumer that stands where it is told."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import KafkaError

from streaming_runtime.core.model import Height, LogEntry, timestamp
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.results_log import MAX_MS, Fetched, PositionLost, parse
from tests.kafka.parts import results_consumer
from tests.kafka.results_writer import RawHeaders, writing_results

KEY = b"a" * 22
TIMES: RawHeaders = [("sent-at", b"11"), ("processed-at", b"12")]
HEADERS: RawHeaders = [("kind", b"result"), ("source", b"1-7"), *TIMES]


def record(headers: RawHeaders = HEADERS, **fields: Any) -> Any:
    known = {"key": KEY, "value": b"1", "partition": 1, "offset": 5, "timestamp": 99}
    return SimpleNamespace(headers=tuple(headers), **known | fields)


def test_a_result_is_read_with_all_that_it_says() -> None:
    assert parse(record()) == LogEntry(KEY.decode(), 5, "result", "1-7", Height(7), b"1", 11, 12)


@pytest.mark.parametrize("kind", ["result", "failed", "end"])
def test_every_kind_of_the_contract_is_read(kind: str) -> None:
    entry = parse(record([("kind", kind.encode()), ("source", b"1-7"), *TIMES]))

    assert entry is not None
    assert entry.kind == kind


def test_several_results_of_one_record_are_in_their_order() -> None:
    sources = [b"1-7", b"1-7-1", b"1-7-2", b"1-7-10", b"1-8", b"1-10"]
    entries = [parse(record([("kind", b"result"), ("source", s), *TIMES])) for s in sources]

    heights = [entry.height for entry in entries if entry is not None]

    assert len(heights) == len(sources)
    assert heights == sorted(heights)


@pytest.mark.parametrize(
    "foreign",
    [
        record([]),
        record([("kind", b"result")]),
        record([("source", b"1-7")]),
        record([("kind", None), ("source", b"1-7")]),
        record([("kind", b"result"), ("source", None)]),
        record([("kind", b"gossip"), ("source", b"1-7")]),
        record([("kind", b"result"), ("source", b"\xff")]),
        record([("kind", b"result"), ("source", b"1-7-x")]),
        record([("kind", b"result"), ("source", b"-1-7")]),
        record([("kind", b"result"), ("source", b"1-7\n")]),
        record([("kind", b"result"), ("source", "1-\N{ARABIC-INDIC DIGIT SEVEN}".encode())]),
        record([("kind", b"result"), ("source", b"1-" + b"9" * 19)]),
        record([("kind", b"result"), ("source", b"2-7")]),
        record([*HEADERS, ("source", None)]),
        record(key=None),
        record(key=b""),
        record(key=b"short"),
        record(key=b"\xff" * 22),
        record(value=None),
        record(value=b""),
    ],
)
def test_what_no_processor_of_the_contract_wrote_is_passed_over(foreign: Any) -> None:
    assert parse(foreign) is None


@pytest.mark.parametrize(
    ("sent_at", "expected"),
    [
        (b"1700000000000", 1_700_000_000_000),
        (b"", 99),
        (None, 99),
        (b"soon", 99),
        (b"-5", 99),
        (b"1_000", 99),
        ("\N{ARABIC-INDIC DIGIT FIVE}".encode(), 99),
        (b"9" * 5_000, 99),
        (b"9" * 15, MAX_MS),
    ],
)
def test_a_time_that_cannot_be_written_as_one_is_replaced(
    sent_at: bytes | None, expected: int
) -> None:
    entry = parse(record([("kind", b"result"), ("source", b"1-7"), ("sent-at", sent_at)]))

    assert entry is not None
    assert entry.sent_at == expected
    assert timestamp(entry.sent_at).endswith("Z")


def test_a_record_without_any_time_is_from_1970() -> None:
    entry = parse(record([("kind", b"result"), ("source", b"1-7")], timestamp=-1))

    assert entry is not None
    assert timestamp(entry.processed_at) == "1970-01-01T00:00:00.000Z"


def test_of_headers_with_one_name_the_last_counts_as_it_does_for_any_client() -> None:
    entry = parse(record([("kind", b"gossip"), ("source", b"2-9"), *HEADERS]))

    assert entry is not None
    assert entry.source == "1-7"


async def fetch_until(consumer: Any, partition: int, count: int) -> list[LogEntry]:
    entries: list[LogEntry] = []
    async with asyncio.timeout(10):
        while len(entries) < count:
            found = await consumer.fetch(0.5)
            entries += found.get(partition, Fetched([], 0)).entries
    return entries


async def test_a_consumer_reads_from_where_it_is_put_again_and_again(
    settings: KafkaSettings,
) -> None:
    consumer = results_consumer(settings)
    async with writing_results(settings) as writer:
        stream = writer.stream()
        for _ in range(10):
            await writer.result(stream)
    await consumer.start()

    offsets = []
    for start in (4, 0, 7, 7):
        consumer.assign({1: start})
        offsets.append([e.offset for e in await fetch_until(consumer, 1, 10 - start)])
        # A prefetch of the position left behind is never handed out for the next.
        assert await consumer.position(1) == 10
    await consumer.stop()

    assert offsets == [list(range(start, 10)) for start in (4, 0, 7, 7)]


async def test_foreign_records_move_the_position_and_are_not_handed_out(
    settings: KafkaSettings,
) -> None:
    consumer = results_consumer(settings)
    async with writing_results(settings) as writer:
        stream = writer.stream()
        await writer.result(stream)
        await writer.raw(None, b"gossip", [("kind", None), ("source", b"\xff")])
        await writer.result(stream)
        await writer.raw(b"\x00" * 22, b"gossip", [])
    await consumer.start()

    consumer.assign({1: 0})
    entries = await fetch_until(consumer, 1, 2)
    async with asyncio.timeout(5):
        while await consumer.position(1) < 4:
            assert not (await consumer.fetch(0.1)).get(1, Fetched([], 0)).entries
    await consumer.stop()

    assert [entry.offset for entry in entries] == [0, 2]


async def test_a_position_behind_the_end_is_lost_and_harms_no_other_reading(
    settings: KafkaSettings,
) -> None:
    consumer = results_consumer(settings)
    async with writing_results(settings) as writer:
        await writer.result(writer.stream())
    await consumer.start()

    consumer.assign({2: 1_000})
    with pytest.raises(PositionLost) as lost:
        await fetch_until(consumer, 2, 1)
    # The error comes again and again while that partition is assigned, and must not come later.
    await asyncio.sleep(0.2)
    consumer.assign({1: 0})
    entries = await fetch_until(consumer, 1, 1)
    await consumer.stop()

    assert (lost.value.partition, lost.value.offset) == (2, 1_000)
    assert [entry.offset for entry in entries] == [0]


async def test_a_fetch_that_was_cancelled_loses_nothing(settings: KafkaSettings) -> None:
    consumer = results_consumer(settings)
    await consumer.start()
    async with writing_results(settings) as writer:
        stream = writer.stream()
        consumer.assign({1: 0})
        for number in range(20):
            fetch = asyncio.ensure_future(consumer.fetch(5))
            await asyncio.sleep(0.001 * number)
            fetch.cancel()
            await asyncio.wait({fetch})
            await writer.result(stream)
        consumer.assign({1: 0})
        entries = await fetch_until(consumer, 1, 20)
    await consumer.stop()

    assert [entry.offset for entry in entries] == list(range(20))


async def test_what_was_fetched_and_is_not_wanted_any_more_is_not_left_to_the_collector(
    settings: KafkaSettings,
) -> None:
    async with writing_results(settings) as writer:
        for _ in range(20):
            await writer.result(writer.stream(), b'"%b"' % (b"x" * 10_000))
    consumer = results_consumer(settings)
    await consumer.start()
    gc.collect()
    gc.disable()
    try:
        for start in range(10):
            consumer.assign({writer.partition: start})
            assert await consumer.fetch(5, most=1)
        held = [each for each in gc.get_objects() if isinstance(each, PartitionRecords)]
        assert len(held) == 1
        del held
        await consumer.stop()
        assert not [each for each in gc.get_objects() if isinstance(each, PartitionRecords)]
    finally:
        gc.enable()
        await consumer.stop()


async def test_a_consumer_that_is_stopped_says_so_in_kafkas_words(settings: KafkaSettings) -> None:
    consumer = results_consumer(settings)
    await consumer.start()
    await consumer.stop()
    await consumer.stop()

    with pytest.raises(KafkaError):
        await consumer.fetch(1)
