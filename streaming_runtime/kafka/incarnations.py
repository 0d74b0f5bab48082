"""The announcement of new topics, made before they are: a process may die at any moment between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.core.vitals import Vitals
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.offsets import Offsets
from streaming_runtime.kafka.producer import SupervisedProducer
from streaming_runtime.kafka.registry import KafkaRegistry

CLOSE_SECONDS = 8.0


@asynccontextmanager
async def registry_alone(settings: KafkaSettings) -> AsyncIterator[KafkaRegistry]:
    """Give a registry, read to its end, where nothing but its own topic is there yet.

    Raises:  BrokerUnavailable.
    """

    def reading() -> AIOKafkaConsumer:
        return clients.consumer(
            settings,
            wait_ms=clients.REPLAY_WAIT_MS,
            partition_bytes=clients.REPLAY_PARTITION_BYTES,
        )

    producer = SupervisedProducer(lambda: clients.producer(settings), (settings.streams_topic,))
    offsets = Offsets(reading)
    registry = KafkaRegistry(settings.streams_topic, producer, offsets, reading)
    vitals = Vitals()
    try:
        vitals.start("the producer", producer.supervise())
        vitals.start("the registry", registry.follow())
        await registry.catch_up()
        yield registry
    finally:
        await vitals.close(CLOSE_SECONDS)
        await offsets.close()
