"""Our topics: made once, with what durability needs, and never by the broker's own guess."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, NamedTuple

from aiokafka import errors as kafka
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streaming_runtime.core.errors import BrokerUnavailable, ConfigurationInvalid
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients

log = logging.getLogger("millrace.kafka.topics")

MAX_REPLICAS = 3
MAX_RECORD_BYTES = 2 << 20
DAY_MS = 86_400_000
# Longer than any promise of resuming (24 h), so that a weekend does not cost a reader its place.
RETENTION_DAYS = 7
DEAD_LETTER_DAYS = 30
RETRY_SECONDS = 0.25


class Topics(NamedTuple):
    """What stands in the cluster now: the partitions of input and results, and what we made."""

    partitions: int
    is_new: bool


async def ensure_topics(settings: KafkaSettings, within_seconds: float = 30.0) -> Topics:
    """Create the topics that are missing.

    Shape:   input and results always have one count; an existing one decides over the setting.
             ``is_new`` tells that input or results was made by this call: a new incarnation.
    Raises:  BrokerUnavailable if the cluster cannot be asked in time; ConfigurationInvalid if
             input and results stand there with different counts.
    """
    deadline = time.monotonic() + within_seconds
    while True:
        admin = clients.admin(settings)
        try:
            async with asyncio.timeout(clients.START_SECONDS):
                await admin.start()
                return await _ensure(admin, settings)
        except (kafka.KafkaError, TimeoutError, OSError) as exc:
            if time.monotonic() > deadline:
                raise BrokerUnavailable(
                    f"Kafka at {settings.broker} (KAFKA_BROKER) cannot be reached"
                ) from exc
            log.warning("waiting for Kafka", extra={"reason": repr(exc)})
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            await _close(admin)


async def _ensure(admin: AIOKafkaAdminClient, settings: KafkaSettings) -> Topics:
    brokers = len((await admin.describe_cluster())["brokers"])
    standing = await _partition_counts(admin)
    pair = (settings.input_topic, settings.results_topic)
    counts = {standing[topic] for topic in pair if topic in standing}
    if len(counts) > 1:
        raise ConfigurationInvalid(
            f"{pair[0]} and {pair[1]} have different partition counts: delete one, it is made anew"
        )
    count = counts.pop() if counts else settings.partitions
    if count != settings.partitions:
        log.warning(
            "KAFKA_PARTITIONS differs from the topics, which decide",
            extra={"setting": settings.partitions, "partitions": count},
        )
    missing = [t for t in _wanted(settings, count, brokers) if t.name not in standing]
    made = await _create(admin, missing) if missing else set()
    return Topics(count, is_new=bool(made & set(pair)))


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    names = await admin.list_topics()
    described = await admin.describe_topics(names) if names else []
    return {t["topic"]: len(t["partitions"]) for t in described if not t["error_code"]}


def _wanted(settings: KafkaSettings, count: int, brokers: int) -> list[NewTopic]:
    replicas = min(MAX_REPLICAS, brokers)
    durable: dict[str, Any] = {
        "min.insync.replicas": "2" if replicas == MAX_REPLICAS else "1",
        "max.message.bytes": str(MAX_RECORD_BYTES),
    }
    log_of_days = durable | {"retention.ms": str(RETENTION_DAYS * DAY_MS)}
    dead_letters = durable | {"retention.ms": str(DEAD_LETTER_DAYS * DAY_MS)}
    compacted = durable | {"cleanup.policy": "compact"}
    return [
        NewTopic(settings.input_topic, count, replicas, topic_configs=log_of_days),
        NewTopic(settings.results_topic, count, replicas, topic_configs=log_of_days),
        NewTopic(settings.dead_letter_topic, 1, replicas, topic_configs=dead_letters),
        # One partition: its order is the order of all starts, and one offset tells who is current.
        NewTopic(settings.streams_topic, 1, replicas, topic_configs=compacted),
    ]


async def _create(admin: AIOKafkaAdminClient, missing: list[NewTopic]) -> set[str]:
    """Return the names that this call made; another process may have been first with some."""
    answer = await admin.create_topics(missing)
    made = set()
    for name, code, *_ in answer.topic_errors:
        error = kafka.for_code(code)
        if error is kafka.NoError:
            made.add(name)
        elif error is not kafka.TopicAlreadyExistsError:
            raise error(f"creating {name}")
    log.info("topics made", extra={"topics": sorted(made)})
    return made


async def _close(admin: AIOKafkaAdminClient) -> None:
    closing = asyncio.ensure_future(admin.close())
    await asyncio.wait({closing}, timeout=clients.STOP_SECONDS)
    if not closing.done():
        closing.cancel()
