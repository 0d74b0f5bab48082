"""Everything a process needs of Kafka, opened together and closed in reverse."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer

from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.model import Incarnation
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.core.vitals import Vitals
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.offsets import Offsets
from streaming_runtime.kafka.producer import SupervisedProducer
from streaming_runtime.kafka.registry import KafkaRegistry
from streaming_runtime.kafka.results_log import ResultsConsumer
from streaming_runtime.kafka.sink import KafkaSink
from streaming_runtime.kafka.topics import ensure_topics

log = logging.getLogger("millrace.kafka.connection")

# Kafka may be starting beside us; a cluster that takes longer is down, and saying so helps more.
START_SECONDS = 30.0
CLOSE_SECONDS = 8.0
RETRY_SECONDS = 0.2
# How long Kafka holds the registry's fetch when nothing is new: it answers at once when there is.
REGISTRY_WAIT_MS = 500


@dataclass(frozen=True, slots=True)
class Connected:
    """The parts over one cluster; ``vitals`` tells when a background task of them has ended."""

    settings: KafkaSettings
    producer: SupervisedProducer
    sink: KafkaSink
    offsets: Offsets
    registry: KafkaRegistry
    incarnation: Incarnation
    vitals: Vitals

    def results_consumer(self, wait_ms: int, partition_bytes: int) -> ResultsConsumer:
        """Return a consumer of the results topic, not started."""
        return ResultsConsumer(
            self.settings.results_topic,
            lambda: clients.consumer(
                self.settings, wait_ms=wait_ms, partition_bytes=partition_bytes
            ),
        )


@asynccontextmanager
async def connected(
    settings: KafkaSettings, within_seconds: float = START_SECONDS
) -> AsyncIterator[Connected]:
    """Make sure of the topics, start producer and registry, and read the registry to its end.

    Shape:   a registry of a million streams takes longer than any deadline that an outage should
             have: as long as it comes on it is read.
    Raises:  BrokerUnavailable when nothing came on for so long; ConfigurationInvalid for unusable
             topics.
    """
    deadline = time.monotonic() + within_seconds
    partitions = await ensure_topics(settings, within_seconds)
    producer = SupervisedProducer(
        lambda: clients.producer(settings), (settings.input_topic, settings.streams_topic)
    )

    def asking() -> AIOKafkaConsumer:
        return clients.consumer(
            settings, wait_ms=REGISTRY_WAIT_MS, partition_bytes=clients.REPLAY_PARTITION_BYTES
        )

    offsets = Offsets(asking, producer.freshness)
    registry = KafkaRegistry(settings.streams_topic, producer, offsets, asking)
    vitals = Vitals()
    try:
        vitals.start("the producer", producer.supervise())
        vitals.start("the registry", registry.follow())
        await _read_whole(registry, deadline, within_seconds)
        incarnation = registry.incarnation
        if incarnation is None or incarnation.partitions != partitions:
            incarnation = await registry.announce(partitions, incarnation)
        yield Connected(
            settings=settings,
            producer=producer,
            sink=KafkaSink(settings.input_topic, producer),
            offsets=offsets,
            registry=registry,
            incarnation=incarnation,
            vitals=vitals,
        )
    finally:
        await vitals.close(CLOSE_SECONDS)
        await offsets.close()


async def _read_whole(registry: KafkaRegistry, deadline: float, patience_seconds: float) -> None:
    """Catch up, however many deadlines of single calls that takes, until ours."""
    read_to = registry.read_offset
    while True:
        try:
            await registry.catch_up()
        except BrokerUnavailable:
            if registry.read_offset > read_to:
                read_to = registry.read_offset
                deadline = time.monotonic() + patience_seconds
                log.info("reading the registry", extra={"entries": read_to})
            elif time.monotonic() > deadline:
                raise
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return
