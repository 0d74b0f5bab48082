"""The parts under test over a real cluster, each opened and closed in one place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from streaming_runtime.core.errors import StreamingError
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.load import Load
from streaming_runtime.kafka.offsets import Offsets
from streaming_runtime.kafka.producer import Stored, SupervisedProducer
from streaming_runtime.kafka.registry import KafkaRegistry
from streaming_runtime.kafka.results_log import ResultsConsumer

PARTITIONS = 3


@asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=15)
        assert task.done()


@asynccontextmanager
async def running_producer(
    settings: KafkaSettings, load: Load | None = None
) -> AsyncIterator[SupervisedProducer]:
    """Give a supervised producer that has not necessarily connected yet."""
    topics = (settings.input_topic, settings.streams_topic)
    producer = SupervisedProducer(lambda: clients.producer(settings), topics, load)
    async with in_background(producer.supervise()):
        yield producer


@asynccontextmanager
async def asking_offsets(settings: KafkaSettings) -> AsyncIterator[Offsets]:
    offsets = Offsets(lambda: reader(settings))
    try:
        yield offsets
    finally:
        await offsets.close()


@asynccontextmanager
async def running_registry(
    settings: KafkaSettings, topic: str | None = None
) -> AsyncIterator[KafkaRegistry]:
    """Give a registry with all that it needs, as a process of its own would have it."""
    async with running_producer(settings) as producer, asking_offsets(settings) as offsets:
        registry = KafkaRegistry(
            topic or settings.streams_topic, producer, offsets, lambda: reader(settings)
        )
        async with in_background(registry.follow()):
            await registry.catch_up()
            yield registry


def reader(settings: KafkaSettings) -> AIOKafkaConsumer:
    return clients.consumer(
        settings, wait_ms=clients.LIVE_WAIT_MS, partition_bytes=clients.REPLAY_PARTITION_BYTES
    )


def results_consumer(settings: KafkaSettings) -> ResultsConsumer:
    return ResultsConsumer(settings.results_topic, lambda: reader(settings))


@asynccontextmanager
async def plain_producer(settings: KafkaSettings) -> AsyncIterator[AIOKafkaProducer]:
    """Give aiokafka's producer as anybody may use it, to write what we would not."""
    producer = clients.producer(settings)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def everything_in(
    settings: KafkaSettings, topic: str, partition: int
) -> list[ConsumerRecord]:
    """Return the records of a partition, as a client of nobody reads them."""
    consumer = reader(settings)
    await consumer.start()
    try:
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        consumer.seek(place, 0)
        end = (await consumer.end_offsets([place]))[place]
        records: list[ConsumerRecord] = []
        async with asyncio.timeout(10):
            while await consumer.position(place) < end:
                records += (await consumer.getmany(place, timeout_ms=500)).get(place, [])
        return records
    finally:
        await consumer.stop()


async def outcome(send: Awaitable[Stored]) -> Stored | str:
    """Return what a send gave: where it was stored, or the public code of the refusal."""
    try:
        return await send
    except StreamingError as error:
        return error.code


def other_tasks() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {task for task in [asyncio.current_task()] if task}
