"""Our topics: made once, with what durability needs, and never by the broker's own guess."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from aiokafka import errors as kafka
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streaming_runtime.core.errors import (
    BrokerUnavailable,
    ConfigurationInvalid,
    OutcomeUnknown,
    Overloaded,
)
from streaming_runtime.core.idempotency import KEPT_MS
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.incarnations import registry_alone
from streaming_runtime.kafka.internals import close_admin, describe, start

log = logging.getLogger("millrace.kafka.topics")

MAX_REPLICAS = 3
MAX_RECORD_BYTES = 2 << 20
DAY_MS = 86_400_000
# Longer than any promise of resuming (24 h), so that a weekend does not cost a reader its place.
RETENTION_DAYS = 7
DEAD_LETTER_DAYS = 30
# Kept until no replica needs them, and not much longer: a starting process reads them all.
KEYS_RETENTION_MS = KEPT_MS + 3_600_000
KEYS_SEGMENT_MS = 3_600_000
# What a starting process reads is one segment, never compacted, and little more.
REGISTRY_SEGMENT_BYTES = 16 << 20
# A lease is over within a second; what is older only tells who was there.
LIMITS_RETENTION_MS = 600_000
FIRST_RETRY_SECONDS = 0.1
MAX_RETRY_SECONDS = 2.0
SETTLE_SECONDS = 0.05
# Whoever has announced new topics makes them at once.
MAKING_SECONDS = 1.0

# The announcement is written and read over topics that may have no leader yet.
FOR_NOW = (kafka.KafkaError, BrokerUnavailable, Overloaded, OutcomeUnknown)
FORBIDDEN = (kafka.TopicAuthorizationFailedError, kafka.ClusterAuthorizationFailedError)
# Not a matter of waiting: somebody has to allow or to change something.
HOPELESS = (
    *FORBIDDEN,
    kafka.InvalidTopicError,
    kafka.InvalidPartitionsError,
    kafka.InvalidConfigurationError,
    kafka.PolicyViolationError,
)


async def ensure_topics(settings: KafkaSettings, within_seconds: float = 30.0) -> int:
    """Create the topics that are missing, and return how many partitions input and results have.

    Shape:   both always have one count; an existing one decides over the setting. What is made of
             them is announced before as a new incarnation: however a process ends meanwhile,
             nobody ever takes new topics for the old ones.
    Raises:  BrokerUnavailable if the cluster cannot be asked in time; ConfigurationInvalid if
             what stands there cannot be used, or what is missing may not be made.
    """
    return await _Setup(settings).run(time.monotonic() + within_seconds)


class _Setup:
    """One start's work on the topics, tried until the cluster has them all."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._pair = {settings.input_topic, settings.results_topic}
        self._is_announced = False
        self._given_up: set[str] = set()
        # What goes on without its topic, and what is lost then.
        self._without = {
            settings.idempotency_topic: "sends with an Idempotency-Key will be refused",
            settings.limits_topic: "every process will count limits by itself",
        }

    async def run(self, deadline: float) -> int:
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                return await self._try(deadline)
            except (*FOR_NOW, TimeoutError, OSError) as exc:
                if time.monotonic() + delay > deadline:
                    raise BrokerUnavailable(self._give_up_text(exc)) from exc
                where = {"broker": self._settings.broker, "reason": str(exc) or type(exc).__name__}
                log.warning("waiting for Kafka (KAFKA_BROKER)", extra=where)
                await asyncio.sleep(delay)
                delay = min(2 * delay, MAX_RETRY_SECONDS)

    async def _try(self, deadline: float) -> int:
        admin = clients.admin(self._settings)
        seconds = min(clients.START_SECONDS, max(0.1, deadline - time.monotonic()))
        try:
            async with asyncio.timeout(seconds):
                await start(admin)
                return await self._ensure(admin)
        finally:
            await close_admin(admin)

    async def _ensure(self, admin: AIOKafkaAdminClient) -> int:
        names = [topic.name for topic in _wanted(self._settings, 1, 1)]
        while True:
            cluster = await describe(admin, names)
            standing = {t["topic"]: t for t in cluster["topics"] if not t["error_code"]}
            count = self._count({name: len(t["partitions"]) for name, t in standing.items()})
            replicas = min(MAX_REPLICAS, len(cluster["brokers"]))
            wanted = _wanted(self._settings, count, replicas)
            there = standing.keys() | self._given_up
            missing = [topic for topic in wanted if topic.name not in there]
            if not missing:
                await self._check_compaction(admin)
                return count
            self._refuse_too_few(replicas)
            # Input and results come last: the registry must be there to tell of them.
            first = [topic for topic in missing if topic.name not in self._pair]
            if not first and not self._is_announced:
                await self._announce(admin, count)
            else:
                await self._create(admin, first or missing)
            # What another process made meanwhile counts as it stands, so all is looked at again.
            await asyncio.sleep(SETTLE_SECONDS)

    async def _announce(self, admin: AIOKafkaAdminClient, count: int) -> None:
        """Tell of a new incarnation, unless another process is just making its topics."""
        async with registry_alone(self._settings) as registry:
            known = registry.incarnation
            if known is None or not await self._are_being_made(admin):
                await registry.announce(count, known)
        self._is_announced = True

    async def _are_being_made(self, admin: AIOKafkaAdminClient) -> bool:
        deadline = time.monotonic() + MAKING_SECONDS
        while time.monotonic() < deadline:
            cluster = await describe(admin, sorted(self._pair))
            if not any(topic["error_code"] for topic in cluster["topics"]):
                return True
            await asyncio.sleep(SETTLE_SECONDS)
        return False

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
        answer = await admin.create_topics(missing)
        for name, code, *words in answer.topic_errors:
            error = kafka.for_code(code)
            if error is kafka.NoError:
                log.info("a topic was made", extra={"topic": name})
            elif issubclass(error, HOPELESS) and name in self._without:
                self._given_up.add(name)
                reason = _refusal(name, error, words)
                log.error(self._without[name], extra={"reason": reason})
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
    keys = durable | {
        "retention.ms": str(KEYS_RETENTION_MS),
        "segment.ms": str(KEYS_SEGMENT_MS),
        # The age of a claim is told by Kafka's clock, not by that of whoever made it.
        "message.timestamp.type": "LogAppendTime",
    }
    limits = durable | {
        "retention.ms": str(LIMITS_RETENTION_MS),
        "segment.ms": str(LIMITS_RETENTION_MS),
        # Buckets fill by the clock of whoever puts their takers in order.
        "message.timestamp.type": "LogAppendTime",
    }
    return [
        NewTopic(settings.input_topic, count, replicas, topic_configs=log_of_days),
        NewTopic(settings.results_topic, count, replicas, topic_configs=log_of_days),
        NewTopic(settings.dead_letter_topic, 1, replicas, topic_configs=dead_letters),
        # One partition: every replica reads all of it, and its order is the order of all claims.
        NewTopic(settings.idempotency_topic, 1, replicas, topic_configs=keys),
        # One partition: its order is the order of all leases.
        NewTopic(settings.limits_topic, 1, replicas, topic_configs=limits),
        # One partition: its order is the order of all starts, and one offset tells who is current.
        NewTopic(settings.streams_topic, 1, replicas, topic_configs=compacted),
    ]


def _refusal(name: str, error: type[BaseException], words: list[str | None]) -> str:
    reason = next(filter(None, words), error.__name__)
    if issubclass(error, FORBIDDEN):
        return f"{name} is missing and may not be created: allow it, or create it ({reason})"
    return f"{name} cannot be created with KAFKA_TOPIC_PREFIX and KAFKA_PARTITIONS: {reason}"
