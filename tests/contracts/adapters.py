"""Every adapter of each port, opened with what it needs; the suites see only the ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition

from streaming_runtime.aws.registry import DynamoRegistry
from streaming_runtime.core.cursor import CursorSeal
from streaming_runtime.core.model import Incarnation, Kind, Processor, Stream, new_stream_id
from streaming_runtime.core.ports import RecordSink, ResultsLog, StreamRegistry
from streaming_runtime.core.results import ResultEncoder
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.direct_results import DirectResults
from streaming_runtime.kafka.sink import KafkaSink
from streaming_runtime.kafka.topics import ensure_topics
from streaming_runtime.live.hub import Hub
from tests.aws.table import dynamo, emulated_table
from tests.core.memory import PARTITION, MemoryLog, MemoryRegistry, MemorySink
from tests.kafka.parts import (
    asking_offsets,
    in_background,
    results_consumer,
    running_producer,
    running_registry,
)
from tests.kafka.results_writer import ResultsWriter, writing_results

INCARNATION = Incarnation("AAAAAAAA", 3)


class Replicas(NamedTuple):
    """The same registry, as two processes have it."""

    one: StreamRegistry
    other: StreamRegistry


@asynccontextmanager
async def kafka_registry(settings: KafkaSettings) -> AsyncIterator[Replicas]:
    await ensure_topics(settings)
    async with running_registry(settings) as one, running_registry(settings) as other:
        yield Replicas(one, other)


@asynccontextmanager
async def memory_registry(_: KafkaSettings) -> AsyncIterator[Replicas]:
    registry = MemoryRegistry()
    yield Replicas(registry, registry)


@asynccontextmanager
async def dynamo_registry(_: KafkaSettings) -> AsyncIterator[Replicas]:
    # moto takes milliseconds for each call, one after the other.
    with emulated_table(), dynamo(call_seconds=60) as one, dynamo(call_seconds=60) as other:
        yield Replicas(DynamoRegistry(one), DynamoRegistry(other))


REGISTRIES = {"kafka": kafka_registry, "dynamodb": dynamo_registry, "memory": memory_registry}


@asynccontextmanager
async def kafka_sink(settings: KafkaSettings) -> AsyncIterator[RecordSink]:
    await ensure_topics(settings)
    async with running_producer(settings) as producer:
        yield KafkaSink(settings.input_topic, producer)


@asynccontextmanager
async def memory_sink(_: KafkaSettings) -> AsyncIterator[RecordSink]:
    yield MemorySink()


SINKS = {"kafka": kafka_sink, "memory": memory_sink}


class WrittenLog(Protocol):
    """A results log, and the hand that writes what processing would into one partition of it."""

    partition: int

    @property
    def log(self) -> ResultsLog: ...

    async def write(
        self, stream: Stream, source: int, *, part: int | None = None, kind: Kind = "result"
    ) -> None:
        """Append a result of an input offset; it may be one that was written before."""

    async def forget_before(self, offset: int) -> None:
        """Do what retention does."""


def stream_of(written: WrittenLog) -> Stream:
    """Return a stream of the partition that is written, begun at its first offset."""
    identity = Processor("identity")
    return Stream(new_stream_id(), "acme", identity, INCARNATION.id, written.partition, 0, 1_000)


class KafkaLog:
    """The results topic, written by a plain producer."""

    def __init__(self, log: ResultsLog, writer: ResultsWriter, settings: KafkaSettings) -> None:
        self.log = log
        self.partition = writer.partition
        self.settings = settings
        self._writer = writer

    async def write(
        self, stream: Stream, source: int, *, part: int | None = None, kind: Kind = "result"
    ) -> None:
        await self._writer.result(stream, b'{"n":%d}' % source, source, part, kind.encode())

    async def write_transaction(
        self, stream: Stream, sources: Sequence[int], *, is_committed: bool
    ) -> None:
        """Append results as an exactly-once engine does, and end with one or the other marker."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.settings.broker,
            transactional_id=f"{self.settings.topic_prefix}{new_stream_id()}",
        )
        await producer.start()
        try:
            await producer.begin_transaction()
            writer = ResultsWriter(self.settings, producer, self.partition)
            for source in sources:
                await writer.result(stream, b'{"n":%d}' % source, source)
            if is_committed:
                await producer.commit_transaction()
            else:
                await producer.abort_transaction()
        finally:
            await producer.stop()

    async def forget_before(self, offset: int) -> None:
        place = TopicPartition(self.settings.results_topic, self.partition)
        admin = clients.admin(self.settings)
        await admin.start()
        try:
            await admin.delete_records({place: RecordsToDelete(before_offset=offset)})
        finally:
            await admin.close()


@asynccontextmanager
async def direct_log(settings: KafkaSettings) -> AsyncIterator[WrittenLog]:
    await ensure_topics(settings)
    async with asking_offsets(settings) as offsets, writing_results(settings) as writer:
        log = DirectResults(
            settings.results_topic,
            settings.input_topic,
            INCARNATION,
            _encoder(),
            offsets,
            lambda: results_consumer(settings),
        )
        try:
            yield KafkaLog(log, writer, settings)
        finally:
            await log.close()


@asynccontextmanager
async def hub_log(settings: KafkaSettings) -> AsyncIterator[WrittenLog]:
    await ensure_topics(settings)
    async with asking_offsets(settings) as offsets, writing_results(settings) as writer:
        hub = Hub(
            settings.results_topic,
            settings.input_topic,
            INCARNATION,
            _encoder(),
            offsets,
            lambda: results_consumer(settings),
            lambda: results_consumer(settings),
        )
        async with in_background(hub.pump()):
            yield KafkaLog(hub, writer, settings)


class WrittenMemory:
    """The fake of the core's tests."""

    partition = PARTITION

    def __init__(self) -> None:
        self.log = MemoryLog(INCARNATION.id)

    async def write(
        self, stream: Stream, source: int, *, part: int | None = None, kind: Kind = "result"
    ) -> None:
        self.log.write(source, stream.stream_id, kind, part or 0)

    async def forget_before(self, offset: int) -> None:
        self.log.forget_before(offset)


@asynccontextmanager
async def memory_log(_: KafkaSettings) -> AsyncIterator[WrittenLog]:
    yield WrittenMemory()


# Those whose feeds wait for what is not there yet; the fake of the core's tests never does.
WAITING_LOGS = {"direct": direct_log, "hub": hub_log}
LOGS = WAITING_LOGS | {"memory": memory_log}


def _encoder() -> ResultEncoder:
    return ResultEncoder(CursorSeal(b"secret"), INCARNATION.id)
