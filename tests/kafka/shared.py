"""The limits as a process has them over a real topic."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streaming_runtime.core.lease_terms import LeaseTerms
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.lease_log import LeaseLog
from streaming_runtime.kafka.producer import SupervisedProducer
from streaming_runtime.kafka.shared_limits import KafkaLimits
from tests.kafka.parts import asking_offsets, in_background, reader

JOIN_SECONDS = 10.0


@asynccontextmanager
async def running_limits(
    settings: KafkaSettings,
    per_second: int,
    burst: int,
    readers: int = 0,
    *,
    says_goodbye: bool = True,
) -> AsyncIterator[KafkaLimits]:
    """Give a process's limits, once it knows how to count."""
    topic = settings.limits_topic
    producer = SupervisedProducer(lambda: clients.producer(settings), (topic,))
    async with asking_offsets(settings) as offsets:
        terms = LeaseTerms.of(per_second, burst)
        log = LeaseLog(topic, producer, offsets, lambda: reader(settings), terms, time.monotonic)
        limits = KafkaLimits(log, producer, per_second, burst, readers, time.monotonic)
        async with in_background(limits.run()):
            await limits.joined(JOIN_SECONDS)
            yield limits
            if says_goodbye:
                await limits.leave()
