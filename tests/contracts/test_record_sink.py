"""core.ports.RecordSink, on every adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from streaming_runtime.core.model import Processor, Receipt, Record, Stream, new_stream_id
from streaming_runtime.core.ports import RecordSink
from streaming_runtime.core.settings import KafkaSettings
from tests.contracts.adapters import SINKS


@pytest.fixture(params=SINKS)
async def sink(request: pytest.FixtureRequest, unmade: KafkaSettings) -> AsyncIterator[RecordSink]:
    async with SINKS[request.param](unmade) as sink:
        yield sink


async def a_stream(sink: RecordSink) -> Stream:
    stream_id = new_stream_id()
    partition = await sink.partition_for(stream_id)
    return Stream(stream_id, "acme", Processor("identity"), "AAAAAAAA", partition, 0, 1_000)


async def test_a_receipt_names_the_partition_that_was_told_before(sink: RecordSink) -> None:
    streams = [await a_stream(sink) for _ in range(20)]

    receipts = [await sink.append(Record(stream, b"1", 1)) for stream in streams]

    assert [r.partition for r in receipts] == [s.partition for s in streams]
    assert [await sink.partition_for(s.stream_id) for s in streams] == [
        s.partition for s in streams
    ]


async def test_a_later_record_of_a_stream_is_behind_the_earlier(sink: RecordSink) -> None:
    stream = await a_stream(sink)

    receipts = [await sink.append(Record(stream, b"%d" % n, 1)) for n in range(10)]

    assert receipts == sorted(receipts)
    assert len(set(receipts)) == 10


async def test_records_appended_at_once_are_stored_in_the_order_of_the_calls(
    sink: RecordSink,
) -> None:
    stream = await a_stream(sink)

    receipts = await asyncio.gather(
        *(sink.append(Record(stream, b"%d" % n, 1)) for n in range(200))
    )

    assert receipts == sorted(receipts)


async def test_an_end_is_behind_what_was_appended_before_it(sink: RecordSink) -> None:
    stream = await a_stream(sink)
    before = await sink.append(Record(stream, b"1", 1))

    end = await sink.append(Record(stream, b"null", 2, kind="end"))

    assert end > before
    assert end.record_id == f"{end.partition}-{end.offset}"


async def test_no_two_records_have_one_receipt(sink: RecordSink) -> None:
    streams = [await a_stream(sink) for _ in range(10)]

    receipts = await asyncio.gather(
        *(sink.append(Record(stream, b"1", 1)) for stream in streams * 20)
    )

    assert len(set(receipts)) == 200


async def test_what_is_appended_together_is_stored_in_order_among_all_else(
    sink: RecordSink,
) -> None:
    stream = await a_stream(sink)

    together, single, more = await asyncio.gather(
        sink.append_all(stream, [b"%d" % n for n in range(300)], 1),
        sink.append(Record(stream, b"300", 1)),
        sink.append_all(stream, [b"301", b"302"], 1),
    )

    receipts = [*together, single, *more]
    offsets = [receipt.offset for receipt in receipts if isinstance(receipt, Receipt)]
    assert offsets == list(range(offsets[0], offsets[0] + 303))
    assert {receipt.partition for receipt in receipts if isinstance(receipt, Receipt)} == {
        stream.partition
    }
