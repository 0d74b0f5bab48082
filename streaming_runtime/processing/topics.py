"""The topics that processing needs: the API's are awaited, the one of its own state is made."""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection, Uuid
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.processing.stopping import Stop

log = logging.getLogger("millrace.processing.topics")

WITHIN_SECONDS = 60.0
ASK_SECONDS = 1.0
POLL_SECONDS = 0.2
# Processing is often started first, so a short wait is nothing to warn of.
PATIENCE_SECONDS = 5.0
MAX_REPLICAS = 3
# Longer than an Idempotency-Key counts, which is a day from the time of its record.
STATE_HOURS = 26
# What is too old goes segment by segment.
STATE_SEGMENT_HOURS = 1
HOUR_MS = 3_600_000
MAX_BATCH_BYTES = 2 << 20
MAKE_SECONDS = 5.0


class TopicsMissing(Exception):
    """The topics did not appear in time; the text says which, and who makes them."""


class Topics(NamedTuple):
    """What processing must know of them.

    Units:  the largest batch that each topic takes, in bytes.
    Shape:  ``state_id`` is the id of the state's topic: another one for each life of it.
    """

    partitions: int
    max_result_bytes: int
    max_dead_letter_bytes: int
    state_id: str = ""


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
            if not missing and state_topic(settings) in counts:
                return _described(admin, settings, counts)
            if not missing:
                _make_state_topic(admin, settings, counts[settings.input_topic])
                continue
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


def state_topic(settings: KafkaSettings) -> str:
    """Return the topic that holds the state of processing: the changelog of its stores."""
    return f"{settings.topic_prefix}processing-state"


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
    state = state_topic(settings)
    if counts[state] != inputs:
        raise ConfigurationInvalid(
            f"{settings.input_topic} has {inputs} partitions and {state} {counts[state]}: delete"
            f" {state}, it is made anew and forgets the Idempotency-Keys of the last day"
        )
    described = admin.describe_topics(TopicCollection([state]), request_timeout=ASK_SECONDS)
    return Topics(
        inputs,
        _max_batch_bytes(admin, settings.results_topic),
        _max_batch_bytes(admin, settings.dead_letter_topic),
        _hex(described[state].result(2 * ASK_SECONDS).topic_id),
    )


def _make_state_topic(admin: AdminClient, settings: KafkaSettings, partitions: int) -> None:
    """Make it as the API makes the others, with a retention in place of compaction.

    Keys hardly ever come twice, so compaction would keep them all; what is older than a day is of
    no use, and goes with its segment.

    Raises:  KafkaException; brokers that are not there yet are an error, and waited for.
    """
    name, brokers = state_topic(settings), len(admin.list_topics(timeout=ASK_SECONDS).brokers)
    expected = min(MAX_REPLICAS, len(settings.broker.split(",")))
    if brokers < expected:
        reason = f"{brokers} of {expected} brokers are there"
        raise KafkaException(KafkaError(KafkaError.BROKER_NOT_AVAILABLE, reason))
    replicas = min(MAX_REPLICAS, brokers)
    config = {
        "cleanup.policy": "delete",
        "retention.ms": str(STATE_HOURS * HOUR_MS),
        "segment.ms": str(STATE_SEGMENT_HOURS * HOUR_MS),
        "min.insync.replicas": "2" if replicas == MAX_REPLICAS else "1",
        "unclean.leader.election.enable": "false",
        "max.message.bytes": str(MAX_BATCH_BYTES),
    }
    topic = NewTopic(name, partitions, replicas, config=config)
    try:
        admin.create_topics([topic], request_timeout=MAKE_SECONDS)[name].result(2 * MAKE_SECONDS)
        log.info("a topic was made", extra={"topic": name})
    except KafkaException as exc:
        # Several processes may start at once.
        if exc.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def _hex(topic_id: Uuid) -> str:
    """Return an id in characters that any file system takes apart: its own base64 has two cases."""
    bits = (topic_id.get_most_significant_bits(), topic_id.get_least_significant_bits())
    return "".join(f"{part % (1 << 64):016x}" for part in bits)


def _max_batch_bytes(admin: AdminClient, topic: str) -> int:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    future = admin.describe_configs([resource], request_timeout=ASK_SECONDS)[resource]
    return int(future.result(2 * ASK_SECONDS)["max.message.bytes"].value)
