"""The results topic as entries: parsing, and one consumer over chosen partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, OffsetOutOfRangeError

from streaming_runtime.core.model import Kind, LogEntry, parse_source
from streaming_runtime.kafka.clients import START_SECONDS
from streaming_runtime.kafka.fetch_sessions import FetchSessions
from streaming_runtime.kafka.internals import (
    drop_fetched,
    ensure_alive,
    send_through,
    set_fetch_wait,
    start,
    stop_consumer,
)

KINDS: dict[bytes, Kind] = {b"result": "result", b"failed": "failed", b"end": "end"}
RAW = msgspec.json.Decoder(msgspec.Raw)
STREAM_ID_BYTES = 22
# The end of the year 9999, after which RFC 3339 has no times.
MAX_MS = 253_402_300_799_999


class Fetched(NamedTuple):
    """What one partition brought: its entries in order, and the offset after all that was read."""

    entries: list[LogEntry]
    next_offset: int


class PositionLost(Exception):
    """The offset to read exists no more: retention passed it, or the topic was made anew."""

    def __init__(self, partition: int, offset: int) -> None:
        super().__init__(f"partition {partition} has no offset {offset}")
        self.partition = partition
        self.offset = offset


def parse(record: Any) -> LogEntry | None:
    """Read a record of the results topic; None for what no processor of the contract wrote."""
    # Anybody who may write to the topic may write anything: no bytes of theirs may end a reader.
    headers = {name: content or b"" for name, content in record.headers}
    kind = KINDS.get(headers.get("kind", b""))
    source = headers.get("source", b"")
    parsed = parse_source(source)
    if kind is None or parsed is None or not record.value:
        return None
    if record.key is None or len(record.key) != STREAM_ID_BYTES or not record.key.isascii():
        return None
    # A source of another partition has another order: its height would silence this one's.
    if parsed[0] != record.partition:
        return None
    if not _is_json(record.value):
        return None
    return LogEntry(
        record.key.decode("ascii"),
        record.offset,
        kind,
        source.decode("ascii"),
        parsed[1],
        record.value,
        _milliseconds(headers.get("sent-at", b""), record.timestamp),
        _milliseconds(headers.get("processed-at", b""), record.timestamp),
    )


def _is_json(value: bytes) -> bool:
    try:
        RAW.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _milliseconds(header: bytes, fallback: int) -> int:
    """Return a time of a header, or the record's own where it is none."""
    is_number = header.isdigit() and len(header) <= len(str(MAX_MS))
    return min(int(header) if is_number else max(fallback, 0), MAX_MS)


class ResultsConsumer:
    """One consumer over chosen partitions, repositioned as often as wanted.

    Only one task may use it. A ``fetch`` may be cancelled: what it had taken is read again after
    the next ``assign``, which always seeks.
    """

    def __init__(self, topic: str, make: Callable[[], AIOKafkaConsumer]) -> None:
        self._topic = topic
        self._make = make
        self._consumer: AIOKafkaConsumer | None = None
        self._assigned: list[TopicPartition] = []

    async def start(self) -> None:
        """Connect.

        Raises:  KafkaError, OSError or TimeoutError within START_SECONDS.
        """
        self._consumer = self._make()
        send_through(self._consumer, lambda send: FetchSessions(send).send)
        try:
            async with asyncio.timeout(START_SECONDS):
                await start(self._consumer)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_consumer(consumer)

    def assign(self, offsets: Mapping[int, int]) -> None:
        """Read these partitions, each from its offset, and nothing else."""
        consumer = self._started()
        drop_fetched(consumer)
        self._assigned = [TopicPartition(self._topic, number) for number in offsets]
        consumer.assign(self._assigned)
        for partition in self._assigned:
            consumer.seek(partition, offsets[partition.partition])

    def wait_at_end(self, wait_ms: int) -> None:
        """Let fetches from now on wait for so long at the broker, where nothing is new."""
        set_fetch_wait(self._started(), wait_ms)

    def rest(self) -> None:
        """Send no fetch until the next ``assign``."""
        if self._consumer is not None:
            self._consumer.pause(*self._assigned)

    async def fetch(self, seconds: float, most: int | None = None) -> dict[int, Fetched]:
        """Return what there is, waiting up to ``seconds`` for something.

        Raises:  PositionLost; KafkaError when the consumer must be replaced.
        """
        consumer = self._started()
        try:
            # By name: without it aiokafka also hands out the errors of the assignment before.
            records = await consumer.getmany(
                *self._assigned, timeout_ms=int(seconds * 1000), max_records=most
            )
        except OffsetOutOfRangeError as exc:
            partition, offset = next(iter(exc.args[0].items()))
            raise PositionLost(partition.partition, offset) from exc
        if not records:
            ensure_alive(consumer)
        return {
            partition.partition: Fetched(
                [entry for entry in map(parse, found) if entry is not None],
                found[-1].offset + 1,
            )
            for partition, found in records.items()
        }

    async def position(self, partition: int) -> int:
        """Return the next offset to read, past transaction markers that ``fetch`` never shows."""
        return int(await self._started().position(TopicPartition(self._topic, partition)))

    def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise IllegalStateError("the consumer is stopped")
        return self._consumer
