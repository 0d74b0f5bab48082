"""Records of the input topic with the headers of the Kafka contract."""

from __future__ import annotations

import json

import pytest

from streaming_runtime.core.model import Processor, Record, Stream, new_stream_id
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import sink as module
from streaming_runtime.kafka.sink import KafkaSink, encode_processor
from tests.kafka.parts import everything_in, running_producer


def a_stream(processor: Processor) -> Stream:
    return Stream(new_stream_id(), "acme", processor, "AAAAAAAA", 0, 0, 1_000)


async def test_a_record_stands_in_the_topic_as_the_contract_says(settings: KafkaSettings) -> None:
    stream = a_stream(Processor("jmespath", {"expression": "naïve"}))
    record = Record(stream, b'{"n":9007199254740993}', 1_700_000_000_000, traceparent="00-a-b-01")
    end = Record(stream, b"null", 1_700_000_000_001, kind="end")

    async with running_producer(settings) as producer:
        sink = KafkaSink(settings.input_topic, producer)
        receipt = await sink.append(record)
        end_receipt = await sink.append(end)
        partition = await sink.partition_for(stream.stream_id)

    assert receipt.partition == end_receipt.partition == partition
    stored = await everything_in(settings, settings.input_topic, partition)
    first, second = stored[receipt.offset], stored[end_receipt.offset]
    assert (first.key, first.value) == (stream.stream_id.encode(), record.value)
    headers = dict(first.headers)
    assert json.loads(headers.pop("processor")) == {"name": "jmespath", "expression": "naïve"}
    assert headers == {
        "kind": b"record",
        "sent-at": b"1700000000000",
        "traceparent": b"00-a-b-01",
    }
    assert dict(second.headers)["kind"] == b"end"
    assert "traceparent" not in dict(second.headers)


async def test_streams_keep_their_own_processor_beyond_what_is_remembered(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CACHED_HEADERS", 2)
    streams = [a_stream(Processor("jmespath", {"expression": str(n)})) for n in range(5)]

    async with running_producer(settings) as producer:
        sink = KafkaSink(settings.input_topic, producer)
        for stream in [*streams, *streams]:
            await sink.append(Record(stream, b"1", 1))
        remembered = len(sink._processors)

    assert remembered <= 2
    expected = {s.stream_id.encode(): encode_processor(s.processor) for s in streams}
    for partition in range(settings.partitions):
        for record in await everything_in(settings, settings.input_topic, partition):
            assert dict(record.headers)["processor"] == expected[record.key]
