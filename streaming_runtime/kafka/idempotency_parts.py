"""What keyed sends need of Kafka, over what a process has opened."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer

from streaming_runtime.core.settings import KafkaSettings
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
    settings, topic = kafka.settings, kafka.settings.idempotency_topic
    producer = SupervisedProducer(lambda: clients.producer(settings), (topic,))
    asking = partial(_consumer, settings, REGISTRY_WAIT_MS)
    claims = KafkaClaims(topic, producer, kafka.offsets, asking, now_ms)
    kafka.vitals.start("the Idempotency-Keys", claims.run())
    return IdempotencyParts(claims, input_log_over(kafka))


def input_log_over(kafka: Connected) -> KafkaInput:
    """Wire the look for first receipts alone, for claims that are kept elsewhere."""
    settings = kafka.settings
    input_log = KafkaInput(
        settings.input_topic,
        settings.results_topic,
        kafka.offsets,
        partial(_consumer, settings, clients.LIVE_WAIT_MS),
    )
    kafka.vitals.start("the look for first receipts", input_log.run())
    return input_log


def _consumer(settings: KafkaSettings, wait_ms: int) -> AIOKafkaConsumer:
    size = clients.REPLAY_PARTITION_BYTES
    return clients.consumer(settings, wait_ms=wait_ms, partition_bytes=size)
