"""Our topics: made once, with what durability needs, and never by the broker's own guess."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, NamedTuple

from aiokafka import errors as kafka
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streaming_runtime.core.errors import BrokerUnavailable, ConfigurationInvalid
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.internals import close_admin, describe, start

log = logging.getLogger("millrace.kafka.topics")

MAX_REPLICAS = 3
MAX_RECORD_BYTES = 2 << 20
DAY_MS = 86_400_000
# Longer than any promise of resuming (24 h), so that a weekend does not cost a reader its place.
RETENTION_DAYS = 7
DEAD_LETTER_DAYS = 30
# What a starting process reads is one segment, never compacted, and little more.
REGISTRY_SEGMENT_BYTES = 16 << 20
FIRST_RETRY_SECONDS = 0.1
MAX_RETRY_SECONDS = 2.0
SETTLE_SECONDS = 0.05

FORBIDDEN = (kafka.TopicAuthorizationFailedError, kafka.ClusterAuthorizationFailedError)
# Not a matter of waiting: somebody has to allow or to change something.
HOPELESS = (
    *FORBIDDEN,
    kafka.InvalidTopicError,
    kafka.InvalidPartitionsError,
    kafka.InvalidConfigurationError,
    kafka.PolicyViolationError,
)


class Topics(NamedTuple):
    """What stands in the cluster now: the partitions of input and results, and what we made."""

    partitions: int
    is_new: bool


async def ensure_topics(settings: KafkaSettings, within_seconds: float = 30.0) -> Topics:
    """Create the topics that are missing.

    Shape:   input and results always have one count; an existing one decides over the setting.
             ``is_new`` tells that input or results was made by this call: a new incarnation.
    Raises:  BrokerUnavailable if the cluster cannot be asked in time; ConfigurationInvalid if
             what stands there cannot be used, or what is missing may not be made.
    """
    return await _Setup(settings).run(time.monotonic() + within_seconds)


class _Setup:
    """One start's work on the topics, tried until the cluster has them all."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._pair = {settings.input_topic, settings.results_topic}
        self._is_new = False

    async def run(self, deadline: float) -> Topics:
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                return await self._try(deadline)
            except (kafka.KafkaError, TimeoutError, OSError) as exc:
                if time.monotonic() + delay > deadline:
                    raise BrokerUnavailable(self._give_up_text(exc)) from exc
                log.warning("waiting for Kafka", extra={"reason": repr(exc)})
                await asyncio.sleep(delay)
                delay = min(2 * delay, MAX_RETRY_SECONDS)

    async def _try(self, deadline: float) -> Topics:
        admin = clients.admin(self._settings)
        seconds = min(clients.START_SECONDS, max(0.1, deadline - time.monotonic()))
        try:
            async with asyncio.timeout(seconds):
                await start(admin)
                return await self._ensure(admin)
        finally:
            await close_admin(admin)

    async def _ensure(self, admin: AIOKafkaAdminClient) -> Topics:
        names = [topic.name for topic in _wanted(self._settings, 1, 1)]
        while True:
            cluster = await describe(admin, names)
            standing = {t["topic"]: t for t in cluster["topics"] if not t["error_code"]}
            count = self._count({name: len(t["partitions"]) for name, t in standing.items()})
            replicas = min(MAX_REPLICAS, len(cluster["brokers"]))
            wanted = _wanted(self._settings, count, replicas)
            missing = [topic for topic in wanted if topic.name not in standing]
            if not missing:
                await self._check_compaction(admin)
                return Topics(count, self._is_new)
            self._refuse_too_few(replicas)
            await self._create(admin, missing)
            # What another process made meanwhile counts as it stands, so all is looked at again.
            await asyncio.sleep(SETTLE_SECONDS)

    def _count(self, standing: dict[str, int]) -> int:
        settings = self._settings
        if standing.get(settings.streams_topic, 1) != 1:
            raise ConfigurationInvalid(
                f"{settings.streams_topic} must have one partition: delete it, it is made anew"
            )
        counts = {standing[topic] for topic in self._pair if topic in standing}
        if len(counts) > 1:
            raise ConfigurationInvalid(
                f"{settings.input_topic} and {settings.results_topic} have different partition"
                " counts: delete both, they are made anew"
            )
        count = counts.pop() if counts else settings.partitions
        if count != settings.partitions:
            log.warning(
                "KAFKA_PARTITIONS differs from the topics, which decide",
                extra={"setting": settings.partitions, "partitions": count},
            )
        return count

    def _refuse_too_few(self, brokers: int) -> None:
        """Wait for the brokers we know of: topics made while a cluster starts keep one replica."""
        expected = min(MAX_REPLICAS, len(self._settings.broker.split(",")))
        if brokers < expected:
            raise kafka.BrokerNotAvailableError(f"{brokers} of {expected} brokers are there")

    async def _create(self, admin: AIOKafkaAdminClient, missing: list[NewTopic]) -> None:
        ours = {topic.name for topic in missing} & self._pair
        try:
            answer = await admin.create_topics(missing)
        except BaseException:
            # They may be there: better one incarnation too many than an old one over new logs.
            self._is_new = self._is_new or bool(ours)
            raise
        for name, code, *words in answer.topic_errors:
            error = kafka.for_code(code)
            if error is kafka.NoError:
                log.info("a topic was made", extra={"topic": name})
                self._is_new = self._is_new or name in ours
            elif issubclass(error, HOPELESS):
                raise ConfigurationInvalid(_refusal(name, error, words))
            elif error is not kafka.TopicAlreadyExistsError:
                raise error(f"creating {name}")

    async def _check_compaction(self, admin: AIOKafkaAdminClient) -> None:
        """Refuse a streams topic of somebody else's making that would forget streams."""
        topic, name = self._settings.streams_topic, "cleanup.policy"
        question = ConfigResource(ConfigResourceType.TOPIC, topic, {name: None})
        for answer in await admin.describe_configs([question]):
            for code, *_, entries in answer.resources:
                policy = {entry[0]: entry[1] for entry in entries}.get(name) if not code else None
                if policy is not None and policy != "compact":
                    raise ConfigurationInvalid(
                        f"{topic} has cleanup.policy={policy}: entries would vanish, set compact"
                    )

    def _give_up_text(self, exc: BaseException) -> str:
        if isinstance(exc, kafka.BrokerNotAvailableError):
            return f"Not all brokers of KAFKA_BROKER ({self._settings.broker}) are there: {exc}"
        return f"Kafka at {self._settings.broker} (KAFKA_BROKER) cannot be reached"


def _wanted(settings: KafkaSettings, count: int, replicas: int) -> list[NewTopic]:
    durable: dict[str, Any] = {
        "min.insync.replicas": "2" if replicas == MAX_REPLICAS else "1",
        "unclean.leader.election.enable": "false",
        "max.message.bytes": str(MAX_RECORD_BYTES),
    }
    log_of_days = durable | {"retention.ms": str(RETENTION_DAYS * DAY_MS)}
    dead_letters = durable | {"retention.ms": str(DEAD_LETTER_DAYS * DAY_MS)}
    compacted = durable | {
        "cleanup.policy": "compact",
        "segment.bytes": str(REGISTRY_SEGMENT_BYTES),
        "min.cleanable.dirty.ratio": "0.2",
    }
    return [
        NewTopic(settings.input_topic, count, replicas, topic_configs=log_of_days),
        NewTopic(settings.results_topic, count, replicas, topic_configs=log_of_days),
        NewTopic(settings.dead_letter_topic, 1, replicas, topic_configs=dead_letters),
        # One partition: its order is the order of all starts, and one offset tells who is current.
        NewTopic(settings.streams_topic, 1, replicas, topic_configs=compacted),
    ]


def _refusal(name: str, error: type[BaseException], words: list[str | None]) -> str:
    reason = next(filter(None, words), error.__name__)
    if issubclass(error, FORBIDDEN):
        return f"{name} is missing and may not be created: allow it, or create it ({reason})"
    return f"{name} cannot be created with KAFKA_TOPIC_PREFIX and KAFKA_PARTITIONS: {reason}"
