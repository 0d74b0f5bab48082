"""aiokafka's private names: what breaks here breaks with another version, not in an outage."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import aiokafka
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.protocol.fetch import FetchRequest

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.internals import (
    ProducerInternals,
    ensure_alive,
    set_fetch_wait,
    start,
    stop_consumer,
)
from tests.eventually import eventually
from tests.kafka.parts import PARTITIONS, everything_in, other_tasks, reader
from tests.kafka.proxy import Proxy


def test_the_private_names_are_those_of_this_version() -> None:
    assert aiokafka.__version__ == "0.14.0"


async def test_a_producer_has_the_parts_that_are_used(settings: KafkaSettings) -> None:
    internals = ProducerInternals(clients.producer(settings))
    producer = internals.producer
    await producer.start()
    try:
        assert not producer._closed
        assert isinstance(producer._sender.sender_task, asyncio.Task)
        assert isinstance(producer.client._sync_task, asyncio.Task)
        assert all(hasattr(c, "_writer") for c in producer.client._conns.values())
        await producer.partitions_for(settings.input_topic)
        assert internals.partitions(settings.input_topic) == settings.partitions
        assert internals.partitions("unheard-of") == 0
    finally:
        await internals.hard_close()


async def test_a_batch_tells_when_it_has_left_and_can_be_filled_until_then(
    settings: KafkaSettings,
) -> None:
    internals = ProducerInternals(clients.producer(settings))
    await internals.producer.start()
    await internals.producer.partitions_for(settings.input_topic)

    builder, entry = internals.enter(settings.input_topic, 0)
    attempts = [entry.retry_count]
    for value in (b"1", b"2"):
        builder.append(timestamp=1, key=None, value=value, headers=[])
    stored = await entry.future
    attempts.append(entry.retry_count)
    await internals.hard_close()

    # More than one attempt if the brand-new topic's leader was not ready at once.
    assert attempts[0] == 0 < attempts[1]
    assert stored.offset == 0
    assert [r.value for r in await everything_in(settings, settings.input_topic, 0)] == [b"1", b"2"]


async def test_batches_of_a_partition_are_sent_in_the_order_in_which_they_entered(
    settings: KafkaSettings,
) -> None:
    internals = ProducerInternals(clients.producer(settings))
    await internals.producer.start()
    await internals.producer.partitions_for(settings.input_topic)

    entries = []
    for number in range(20):
        builder, entry = internals.enter(settings.input_topic, 0)
        builder.append(timestamp=1, key=None, value=b"%d" % number, headers=[])
        entries.append(entry)
    offsets = [(await entry.future).offset for entry in entries]
    await internals.hard_close()

    assert offsets == list(range(20))


async def test_what_has_not_left_is_never_sent_after_sending_was_stopped(
    settings: KafkaSettings,
) -> None:
    internals = ProducerInternals(clients.producer(settings))
    await internals.producer.start()
    await internals.producer.partitions_for(settings.input_topic)

    builder, entry = internals.enter(settings.input_topic, 0)
    builder.append(timestamp=1, key=None, value=b"1", headers=[])
    internals.stop_sending()
    for _ in range(20):
        await asyncio.sleep(0)
    await internals.hard_close()

    assert entry.retry_count == 0
    assert await everything_in(settings, settings.input_topic, 0) == []


async def test_a_producer_whose_task_died_says_so(settings: KafkaSettings) -> None:
    internals = ProducerInternals(clients.producer(settings))
    await internals.producer.start()
    dying = asyncio.ensure_future(internals.until_dead())

    internals.producer.client._sync_task.cancel()

    assert await dying == "a part ended: cancelled"
    await internals.hard_close()


async def test_a_hard_close_does_not_wait_for_a_request_under_way(
    proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    before = other_tasks()
    internals = ProducerInternals(clients.producer(proxied_settings))
    await internals.producer.start()
    await internals.producer.partitions_for(proxied_settings.input_topic)
    # More than the buffers of both ends hold: a polite close would wait until it is sent.
    proxy.switch("hold")
    for partition in range(PARTITIONS):
        builder, entry = internals.enter(proxied_settings.input_topic, partition)
        builder.append(timestamp=1, key=None, value=b"x" * (4 << 20), headers=[])
    await asyncio.sleep(0.2)

    started = time.monotonic()
    await internals.hard_close()

    assert time.monotonic() - started < 1
    assert not entry.future.done()
    left = other_tasks() - before
    assert not {task for task in left if "proxy" not in repr(task)}


async def test_a_consumer_is_stopped_for_good_while_its_fetches_fail(
    proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    before = other_tasks()
    consumer = reader(proxied_settings)
    await consumer.start()
    partition = TopicPartition(proxied_settings.input_topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    await consumer.getmany(timeout_ms=100)
    await proxy.refuse()
    # A fetch has failed and waits to be tried again: here aiokafka's own stop gives up half way.
    await asyncio.sleep(0.15)

    await stop_consumer(consumer)

    await asyncio.sleep(0)
    assert other_tasks() == before


async def test_a_start_that_is_cancelled_at_any_moment_leaves_no_connection(
    proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    before = other_tasks()
    for answered in range(2):  # Of the versions, then of the cluster.
        consumer = reader(proxied_settings)
        proxy.answers_left = answered
        starting = asyncio.ensure_future(start(consumer))
        await eventually(lambda: proxy.mode == "deaf")
        starting.cancel()
        await asyncio.wait({starting})
        await stop_consumer(consumer)
        proxy.switch("pass")
        del starting, consumer
        # What was forgotten warns when it is collected, and a warning fails a test.
        gc.collect()

    await asyncio.sleep(0)
    assert not {task for task in other_tasks() - before if "proxy" not in repr(task)}


async def test_a_fetch_is_held_as_long_as_it_was_told(settings: KafkaSettings) -> None:
    consumer = reader(settings)
    await start(consumer)
    try:
        partition = TopicPartition(settings.results_topic, 0)
        told: list[int] = []
        send = consumer._client.send

        async def noting(node: int, request: Any, **options: Any) -> Any:
            if isinstance(request, FetchRequest):
                told.append(request._max_wait_ms)
            return await send(node, request, **options)

        consumer._client.send = noting
        for wait_ms in (7, 70):
            set_fetch_wait(consumer, wait_ms)
            consumer.assign([partition])
            consumer.seek(partition, 0)
            await consumer.getmany(partition, timeout_ms=200)
    finally:
        await stop_consumer(consumer)

    assert {7, 70} <= set(told)


async def test_a_consumer_whose_task_died_says_so(settings: KafkaSettings) -> None:
    consumer = reader(settings)
    await consumer.start()
    ensure_alive(consumer)

    consumer._fetcher._fetch_task.cancel()
    await asyncio.wait({consumer._fetcher._fetch_task})

    with pytest.raises(KafkaError, match="a part of the consumer ended"):
        ensure_alive(consumer)
    await stop_consumer(consumer)
