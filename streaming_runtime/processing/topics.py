"""The topics that processing needs: made by the API, awaited here."""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource

from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.processing.stopping import Stop

log = logging.getLogger("millrace.processing.topics")

WITHIN_SECONDS = 60.0
ASK_SECONDS = 1.0
POLL_SECONDS = 0.2
# Processing is often started first, so a short wait is nothing to warn of.
PATIENCE_SECONDS = 5.0


class TopicsMissing(Exception):
    """The topics did not appear in time; the text says which, and who makes them."""


class Topics(NamedTuple):
    """What processing must know of them.

    Units:  the largest batch that each topic takes, in bytes.
    """

    partitions: int
    max_result_bytes: int
    max_dead_letter_bytes: int


def await_topics(
    admin: AdminClient, settings: KafkaSettings, stop: Stop, within_seconds: float = WITHIN_SECONDS
) -> Topics | None:
    """Wait until the topics are there; None if told to stop meanwhile.

    Raises:  TopicsMissing; ConfigurationInvalid if input and results differ in partitions.
    """
    started = warned = time.monotonic()
    while not stop.is_told:
        try:
            counts = _partitions(admin)
            missing = [name for name in _needed(settings) if name not in counts]
            if not missing:
                return _described(admin, settings, counts)
            reason = f"there is no {' or '.join(missing)}; the API makes them when it starts"
        except (KafkaException, TimeoutError) as exc:
            reason = f"Kafka at {settings.broker} (KAFKA_BROKER) does not answer: {exc!r}"
        now = time.monotonic()
        if now - started > within_seconds:
            raise TopicsMissing(f"after {within_seconds:.0f} s {reason}")
        if now - warned > PATIENCE_SECONDS:
            log.warning("waiting for the topics", extra={"reason": reason})
            warned = now
        stop.wait(POLL_SECONDS)
    return None


def _needed(settings: KafkaSettings) -> tuple[str, str, str]:
    return settings.input_topic, settings.results_topic, settings.dead_letter_topic


def _partitions(admin: AdminClient) -> dict[str, int]:
    topics = admin.list_topics(timeout=ASK_SECONDS).topics.values()
    return {topic.topic: len(topic.partitions) for topic in topics if topic.error is None}


def _described(admin: AdminClient, settings: KafkaSettings, counts: dict[str, int]) -> Topics:
    inputs, results = counts[settings.input_topic], counts[settings.results_topic]
    if inputs != results:
        raise ConfigurationInvalid(
            f"{settings.input_topic} has {inputs} partitions and {settings.results_topic}"
            f" {results}: delete one, the API makes it anew with as many as the other"
        )
    return Topics(
        inputs,
        _max_batch_bytes(admin, settings.results_topic),
        _max_batch_bytes(admin, settings.dead_letter_topic),
    )


def _max_batch_bytes(admin: AdminClient, topic: str) -> int:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    future = admin.describe_configs([resource], request_timeout=ASK_SECONDS)[resource]
    return int(future.result(2 * ASK_SECONDS)["max.message.bytes"].value)
