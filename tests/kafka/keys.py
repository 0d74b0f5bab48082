"""The claims of Idempotency-Keys as a process has them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streaming_runtime.core.clock import now_ms
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.idempotency import KafkaClaims
from streaming_runtime.kafka.producer import SupervisedProducer
from tests.kafka.parts import asking_offsets, in_background, reader


@asynccontextmanager
async def running_claims(
    settings: KafkaSettings, reading: KafkaSettings | None = None
) -> AsyncIterator[KafkaClaims]:
    """Give a replica's claims; ``reading`` is how it reaches the topic to read it."""
    topic, way = settings.idempotency_topic, reading or settings
    producer = SupervisedProducer(lambda: clients.producer(settings), (topic,))
    async with asking_offsets(way) as offsets:
        claims = KafkaClaims(topic, producer, offsets, lambda: reader(way), now_ms)
        async with in_background(claims.run()):
            yield claims
