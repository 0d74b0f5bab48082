"""What limits that processes share need of Kafka, over what a process has opened."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer

from streaming_runtime.core.lease_terms import LeaseTerms
from streaming_runtime.core.settings import LimitSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.connection import REGISTRY_WAIT_MS, Connected
from streaming_runtime.kafka.lease_log import LeaseLog
from streaming_runtime.kafka.producer import SupervisedProducer
from streaming_runtime.kafka.shared_limits import KafkaLimits

# A process that is alone knows it at once, and one that is not after an answer of who was alone.
JOIN_SECONDS = 2.0


@asynccontextmanager
async def limits_over(kafka: Connected, limits: LimitSettings) -> AsyncIterator[KafkaLimits]:
    """Wire them, start their background work as a vital part, and tell the others at the end.

    They have a producer of their own: when their topic has no leader, nothing else must wait.
    """
    settings, topic = kafka.settings, kafka.settings.limits_topic
    producer = SupervisedProducer(lambda: clients.producer(settings), (topic,))

    def asking() -> AIOKafkaConsumer:
        return clients.consumer(
            settings, wait_ms=REGISTRY_WAIT_MS, partition_bytes=clients.REPLAY_PARTITION_BYTES
        )

    # A limit that is off is not asked for: it only has to be a limit.
    rate, burst = max(1, limits.per_second), max(1, limits.burst)
    terms = LeaseTerms.of(rate, burst)
    lease_log = LeaseLog(topic, producer, kafka.offsets, asking, terms, time.monotonic)
    shared = KafkaLimits(lease_log, producer, rate, burst, limits.readers, time.monotonic)
    kafka.vitals.start("the shared limits", shared.run())
    await shared.joined(JOIN_SECONDS)
    try:
        yield shared
    finally:
        await shared.leave()
