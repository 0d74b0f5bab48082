"""The dead-letter topic for its operators: reading it, and sending what is in it in again."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from streaming_runtime.core.entries import BadEntry, from_json, merged
from streaming_runtime.core.errors import ConfigurationInvalid, OutcomeUnknown, translated
from streaming_runtime.core.model import Receipt, Stream
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.failures import READ_FAILURES
from streaming_runtime.kafka.internals import (
    ProducerInternals,
    close_admin,
    describe,
    start,
    stop_consumer,
)

WAIT_MS = 200
# What processing adds, always last: a record may have headers of these names of its own.
ADDED = ("source", "reason", "attempts")
KEY_HEADER = "idempotency-key"
# The first look goes back so many offsets for each letter wanted, and each further one fourfold.
LOOK_BACK = 2

Headers = Sequence[tuple[str, bytes | None]]
Ends = Mapping[int, int]


class Letter(NamedTuple):
    """A dead letter: the record as it was, and what processing added.

    Units:  ``timestamp`` is when it was given up, in milliseconds since 1970.
    """

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    source: str
    reason: str
    attempts: str

    @property
    def place(self) -> str:
        return f"{self.partition}-{self.offset}"


def letter_of(record: ConsumerRecord) -> Letter:
    """Take a record of the topic apart; one that another program wrote has nothing added."""
    headers: Headers = list(record.headers)
    added: list[str] = ["", "", ""]
    if tuple(name for name, _ in headers[-len(ADDED) :]) == ADDED:
        added = [(value or b"").decode("utf-8", "replace") for _, value in headers[-len(ADDED) :]]
        headers = headers[: -len(ADDED)]
    place = record.partition, record.offset, record.timestamp
    return Letter(*place, record.key, record.value, headers, *added)


class DeadLetters:
    """Reads the topic of dead letters, whatever else goes on.

    Raises:  BrokerUnavailable, from every call.
    """

    def __init__(self, settings: KafkaSettings, count: int, consumer: AIOKafkaConsumer) -> None:
        self._settings = settings
        self._count = count
        self._consumer = consumer

    async def newest(self, limit: int, is_wanted: Callable[[Letter], bool]) -> list[Letter]:
        """Return the last letters that are wanted, the newest first."""
        found: list[Letter] = []
        with translated(READ_FAILURES):
            for partition, (first, end) in (await self._bounds()).items():
                found += await self._last_of(partition, first, end, limit, is_wanted)
        found.sort(key=lambda letter: (letter.timestamp, letter.offset), reverse=True)
        return found[:limit]

    async def ends(self) -> Ends:
        """Return where the topic ends now, for ``until``."""
        with translated(READ_FAILURES):
            return {tp.partition: end for tp, (_, end) in (await self._bounds()).items()}

    async def until(self, ends: Ends) -> AsyncIterator[Letter]:
        """Yield all letters up to there, the oldest first."""
        with translated(READ_FAILURES):
            for partition, (first, _) in (await self._bounds()).items():
                async for record in self._records(partition, first, ends[partition.partition]):
                    yield letter_of(record)

    async def at(self, partition: int, offset: int) -> Letter | None:
        """Return the letter at a place, None if there is none (any more)."""
        with translated(READ_FAILURES):
            for known, (first, end) in (await self._bounds()).items():
                if known.partition == partition and first <= offset < end:
                    async for record in self._records(known, offset, offset + 1):
                        return letter_of(record)
        return None

    async def streams(self, ids: Collection[str]) -> dict[str, Stream]:
        """Return the registry's entries of these streams, as far as there are any."""
        found: dict[str, Stream] = {}
        topic = TopicPartition(self._settings.streams_topic, 0)
        with translated(READ_FAILURES):
            (first,) = (await self._consumer.beginning_offsets([topic])).values()
            (end,) = (await self._consumer.end_offsets([topic])).values()
            async for record in self._records(topic, first, end):
                key = (record.key or b"").decode("ascii", "replace")
                if key in ids:
                    _apply(found, key, record)
        return found

    async def _bounds(self) -> dict[TopicPartition, tuple[int, int]]:
        consumer = self._consumer
        topic = self._settings.dead_letter_topic
        partitions = [TopicPartition(topic, number) for number in range(self._count)]
        firsts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        return {tp: (firsts[tp], ends[tp]) for tp in partitions}

    async def _last_of(
        self,
        partition: TopicPartition,
        first: int,
        end: int,
        limit: int,
        is_wanted: Callable[[Letter], bool],
    ) -> list[Letter]:
        back = LOOK_BACK * limit
        while True:
            begin = max(first, end - back)
            found: deque[Letter] = deque(maxlen=limit)
            async for record in self._records(partition, begin, end):
                if is_wanted(letter := letter_of(record)):
                    found.append(letter)
            if len(found) == limit or begin == first:
                return list(found)
            back *= 4

    async def _records(
        self, partition: TopicPartition, begin: int, end: int
    ) -> AsyncIterator[ConsumerRecord]:
        """Yield what stands between two offsets; markers of transactions stand there too."""
        consumer = self._consumer
        consumer.assign([partition])
        consumer.seek(partition, begin)
        while await consumer.position(partition) < end:
            for record in (await consumer.getmany(timeout_ms=WAIT_MS)).get(partition, []):
                if record.offset >= end:
                    return
                yield record


class Replays:
    """Sends letters in again, in order.

    A letter's own Idempotency-Key is taken, since its record had it; in place of it stands one
    that names the letter, so that a letter sent in twice within a day gives one result.
    """

    def __init__(self, settings: KafkaSettings, producer: AIOKafkaProducer) -> None:
        self._settings = settings
        self._producer = producer

    async def send(self, letters: Sequence[Letter]) -> list[Receipt]:
        """Return the letters' new sources, once all in-sync replicas have them.

        Raises:  OutcomeUnknown; sending the same ones again is safe.
        """
        topic = self._settings.dead_letter_topic
        try:
            waiting = [
                await self._producer.send(
                    self._settings.input_topic,
                    letter.value,
                    letter.key,
                    headers=list(replayed_headers(topic, letter)),
                )
                for letter in letters
            ]
            stored = [await future for future in waiting]
        except (KafkaError, OSError) as exc:
            raise OutcomeUnknown from exc
        return [Receipt(metadata.partition, metadata.offset) for metadata in stored]


def replayed_headers(topic: str, letter: Letter) -> Headers:
    """Return a letter's own headers with a key that is the letter's."""
    kept = [(name, value) for name, value in letter.headers if name != KEY_HEADER]
    return [*kept, (KEY_HEADER, f"{topic}/{letter.place}".encode())]


@asynccontextmanager
async def reading(settings: KafkaSettings) -> AsyncIterator[DeadLetters]:
    """Open the topic for reading.

    Raises:  BrokerUnavailable; ConfigurationInvalid if there is no such topic.
    """
    consumer = clients.consumer(
        settings, wait_ms=WAIT_MS, partition_bytes=clients.REPLAY_PARTITION_BYTES
    )
    try:
        with translated(READ_FAILURES):
            count = await _count(settings)
            await start(consumer)
        yield DeadLetters(settings, count, consumer)
    finally:
        await stop_consumer(consumer)


async def _count(settings: KafkaSettings) -> int:
    """Return how many partitions the topic has."""
    admin, topic = clients.admin(settings), settings.dead_letter_topic
    try:
        await start(admin)
        cluster = await describe(admin, [topic])
    finally:
        await close_admin(admin)
    for found in cluster["topics"]:
        if found["topic"] == topic and not found["error_code"]:
            return len(found["partitions"])
    raise ConfigurationInvalid(
        f"There is no topic {topic}: is KAFKA_TOPIC_PREFIX ({settings.topic_prefix}) the one of"
        " the deployment?"
    )


@asynccontextmanager
async def replaying(settings: KafkaSettings) -> AsyncIterator[Replays]:
    """Open a producer for replays; leaving closes it without waiting for what is under way.

    Raises:  BrokerUnavailable.
    """
    internals = ProducerInternals(clients.producer(settings))
    try:
        with translated(READ_FAILURES):
            await start(internals.producer)
        yield Replays(settings, internals.producer)
    finally:
        await internals.hard_close()


def _apply(found: dict[str, Stream], key: str, record: ConsumerRecord) -> None:
    if not record.value:
        found.pop(key, None)
        return
    try:
        stream = from_json(record.key, record.value)
    except BadEntry:
        return
    found[key] = merged(found[key], stream) if key in found else stream
