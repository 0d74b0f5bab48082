"""The supervised producer while all is well, and what it refuses."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from aiokafka.admin import NewTopic
from aiokafka.partitioner import DefaultPartitioner

from streaming_runtime.core.errors import (
    BrokerUnavailable,
    Overloaded,
    RecordTooLarge,
    StreamingError,
)
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.clients import MAX_BATCH_BYTES
from streaming_runtime.kafka.load import Load
from streaming_runtime.kafka.producer import Stored, SupervisedProducer
from streaming_runtime.kafka.topics import ensure_topics
from tests.kafka.parts import PARTITIONS, everything_in, other_tasks, running_producer

KEY = b"a" * 22


async def test_a_send_returns_where_the_record_is(settings: KafkaSettings) -> None:
    topic = settings.input_topic
    async with running_producer(settings) as producer:
        first = await producer.send(topic, KEY, b"1", [("kind", b"record")])
        second = await producer.send(topic, KEY, b"2", [])

    stored = await everything_in(settings, topic, first.partition)
    assert (second.partition, second.offset) == (first.partition, first.offset + 1)
    assert stored[first.offset].value == b"1"
    assert stored[first.offset].headers == (("kind", b"record"),)
    assert stored[second.offset].value == b"2"


async def test_a_key_lands_where_any_kafka_client_puts_it(settings: KafkaSettings) -> None:
    keys = [b"%022d" % number for number in range(50)]
    partitioner = DefaultPartitioner()
    everywhere = list(range(PARTITIONS))

    async with running_producer(settings) as producer:
        found = [await producer.partition_for(settings.input_topic, key) for key in keys]
        sent = await producer.send(settings.input_topic, keys[0], b"1", [])

    assert found == [partitioner(key, everywhere, everywhere) for key in keys]
    assert sent.partition == found[0]


async def test_records_sent_at_once_over_many_turns_of_the_loop_keep_their_order(
    settings: KafkaSettings,
) -> None:
    sends: list[asyncio.Task[Stored]] = []
    async with running_producer(settings) as producer:
        await producer.partition_for(settings.input_topic, KEY)
        for number in range(2_000):
            value = b"%d" % number
            sends.append(asyncio.ensure_future(producer.send(settings.input_topic, KEY, value, [])))
            if number % 7 == 0:
                await asyncio.sleep(0)
        offsets = [stored.offset for stored in await asyncio.gather(*sends)]

    assert offsets == list(range(2_000))
    records = await everything_in(settings, settings.input_topic, sends[0].result().partition)
    assert [record.value for record in records] == [b"%d" % number for number in range(2_000)]


async def test_what_waits_for_the_first_connection_is_not_overtaken(
    settings: KafkaSettings,
) -> None:
    async with running_producer(settings) as producer:
        early = [
            asyncio.ensure_future(producer.send(settings.input_topic, KEY, b"early", []))
            for _ in range(100)
        ]
        while not producer.is_ready:
            await asyncio.sleep(0)
        late = await producer.send(settings.input_topic, KEY, b"late", [])
        offsets = [stored.offset for stored in await asyncio.gather(*early)]

    assert offsets == list(range(100))
    assert late.offset == 100


async def test_records_to_all_partitions_in_one_turn_are_all_stored_once(
    settings: KafkaSettings,
) -> None:
    keys = [b"%022d" % number for number in range(300)]
    async with running_producer(settings) as producer:
        stored = await asyncio.gather(
            *(producer.send(settings.input_topic, key, key, []) for key in keys)
        )

    found: Counter[bytes] = Counter()
    for partition in range(PARTITIONS):
        for record in await everything_in(settings, settings.input_topic, partition):
            found[record.value] += 1
            assert stored[keys.index(record.value)] == (partition, record.offset)
    assert found == Counter(keys)


async def test_a_record_too_large_is_refused_and_costs_the_others_nothing(
    settings: KafkaSettings,
) -> None:
    large = b"x" * MAX_BATCH_BYTES
    load = Load()
    async with running_producer(settings, load) as producer:
        before = await producer.send(settings.input_topic, KEY, b"before", [])
        current = producer._current
        with pytest.raises(RecordTooLarge):
            await producer.send(settings.input_topic, KEY, large, [])
        after = await producer.send(settings.input_topic, KEY, b"after", [])

        assert producer._current is current
    assert after.offset == before.offset + 1
    assert (load.records, load.bytes) == (0, 0)


async def test_after_a_batch_that_the_broker_refused_the_next_send_works(
    unmade: KafkaSettings,
) -> None:
    # The broker's refusal leaves a hole in the sequence numbers: that producer is of no more use.
    admin = clients.admin(unmade)
    await admin.start()
    small = {"max.message.bytes": "1000"}
    await admin.create_topics(
        [
            NewTopic(unmade.input_topic, 1, 1, topic_configs=small),
            NewTopic(unmade.results_topic, 1, 1),
        ]
    )
    await admin.close()
    await ensure_topics(unmade)

    async with running_producer(unmade) as producer:
        before = await producer.send(unmade.input_topic, KEY, b"before", [])
        with pytest.raises(RecordTooLarge):
            await producer.send(unmade.input_topic, KEY, b"x" * 5_000, [])
        after = await producer.send(unmade.input_topic, KEY, b"after", [])

    assert (before.offset, after.offset) == (0, 1)


async def test_records_that_fill_many_batches_are_stored_in_order(settings: KafkaSettings) -> None:
    value = b"x" * (256 << 10)
    async with running_producer(settings) as producer:
        stored = await asyncio.gather(
            *(producer.send(settings.input_topic, KEY, value, []) for _ in range(20))
        )

    assert [place.offset for place in stored] == list(range(20))


async def test_too_many_records_under_way_are_refused_at_once(settings: KafkaSettings) -> None:
    load = Load(max_records=3)
    async with running_producer(settings, load) as producer:
        sends = [
            asyncio.ensure_future(producer.send(settings.input_topic, KEY, b"1", []))
            for _ in range(3)
        ]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await producer.send(settings.input_topic, KEY, b"1", [])
        await asyncio.gather(*sends)
        await producer.send(settings.input_topic, KEY, b"1", [])

    assert (load.records, load.bytes) == (0, 0)


async def test_many_uploads_of_lines_wait_for_each_other_and_for_single_records_none(
    settings: KafkaSettings,
) -> None:
    load, highest = Load(max_records=200), 0
    lines = [b"%d" % number for number in range(20)]
    outcomes: list[tuple[int, int] | StreamingError] = []

    async with running_producer(settings, load) as producer:

        async def upload(key: bytes) -> None:
            nonlocal highest
            for _ in range(10):
                await producer.room(len(lines), 200)
                stored = await producer.send_all(settings.input_topic, key, lines, [])
                highest = max(highest, load.records)
                outcomes.extend(stored)

        uploads = [asyncio.ensure_future(upload(b"%d" % number)) for number in range(30)]
        while not all(each.done() for each in uploads):
            # Not refused, however many lines there are.
            await producer.send(settings.input_topic, KEY, b"1", [])
        await asyncio.gather(*uploads)

    assert [outcome for outcome in outcomes if isinstance(outcome, StreamingError)] == []
    assert len(outcomes) == 30 * 10 * len(lines)
    assert highest <= 100 + len(lines) + 1
    assert (load.records, load.bytes) == (0, 0)


async def test_a_caller_who_leaves_is_counted_until_the_record_has_an_outcome(
    settings: KafkaSettings,
) -> None:
    load = Load()
    async with running_producer(settings, load) as producer:
        await producer.send(settings.input_topic, KEY, b"1", [])
        leaving = asyncio.ensure_future(producer.send(settings.input_topic, KEY, b"2", []))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait({leaving})
        under_way = load.records
        after = await producer.send(settings.input_topic, KEY, b"3", [])

    assert under_way == 1
    assert after.offset == 2
    assert load.records == 0


async def test_nothing_is_left_running_after_the_end(settings: KafkaSettings) -> None:
    before = other_tasks()
    async with running_producer(settings) as producer:
        await producer.send(settings.input_topic, KEY, b"1", [])

    await asyncio.sleep(0)
    assert other_tasks() == before


async def test_a_send_after_the_end_is_refused_within_the_deadline(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = SupervisedProducer(lambda: None, ())
    monkeypatch.setattr("streaming_runtime.kafka.backlog.SEND_SECONDS", 0.05)

    with pytest.raises(BrokerUnavailable):
        await producer.send(settings.input_topic, KEY, b"1", [])
