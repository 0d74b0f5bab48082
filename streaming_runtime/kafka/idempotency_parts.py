"""What keyed sends need of Kafka, over what a process has opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer

from streaming_runtime.kafka import clients
from streaming_runtime.kafka.connection import REGISTRY_WAIT_MS, Connected
from streaming_runtime.kafka.idempotency import KafkaClaims
from streaming_runtime.kafka.idempotency_search import KafkaInput
from streaming_runtime.kafka.producer import SupervisedProducer


class IdempotencyParts(NamedTuple):
    """The two ports of keyed sends."""

    claims: KafkaClaims
    input_log: KafkaInput


def idempotency_over(kafka: Connected, now_ms: Callable[[], int]) -> IdempotencyParts:
    """Wire both, and start their background work as vital parts of the process.

    The claims have a producer of their own: when their topic has no leader, what is sent without
    a key must not wait, nor lose its producer.
    """
    settings = kafka.settings

    def consumer(wait_ms: int) -> AIOKafkaConsumer:
        size = clients.REPLAY_PARTITION_BYTES
        return clients.consumer(settings, wait_ms=wait_ms, partition_bytes=size)

    topic = settings.idempotency_topic
    producer = SupervisedProducer(lambda: clients.producer(settings), (topic,))
    claims = KafkaClaims(topic, producer, kafka.offsets, lambda: consumer(REGISTRY_WAIT_MS), now_ms)
    input_log = KafkaInput(
        settings.input_topic,
        settings.results_topic,
        kafka.offsets,
        lambda: consumer(clients.LIVE_WAIT_MS),
    )
    kafka.vitals.start("the Idempotency-Keys", claims.run())
    kafka.vitals.start("the look for first receipts", input_log.run())
    return IdempotencyParts(claims, input_log)
