"""The results topic as entries: parsing, and one consumer over chosen partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from streaming_runtime.core.model import Kind, LogEntry, parse_source
from streaming_runtime.kafka.clients import START_SECONDS
from streaming_runtime.kafka.offsets import stop_consumer

KINDS: dict[bytes, Kind] = {b"result": "result", b"failed": "failed", b"end": "end"}


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
    headers = dict(record.headers)
    kind = KINDS.get(headers.get("kind", b""))
    source = headers.get("source", b"")
    parsed = parse_source(source)
    if kind is None or parsed is None or record.key is None or not record.value:
        return None
    # A source of another partition has another order: its height would silence this one's.
    if parsed[0] != record.partition:
        return None
    try:
        return LogEntry(
            record.key.decode("ascii"),
            record.offset,
            kind,
            source.decode("ascii"),
            parsed[1],
            record.value,
            int(headers.get("sent-at", b"") or record.timestamp),
            int(headers.get("processed-at", b"") or record.timestamp),
        )
    except ValueError:
        return None


class ResultsConsumer:
    """One consumer over chosen partitions, repositioned as often as wanted.

    Only one task may use it. A ``fetch`` may be cancelled: what it had taken is read again after
    the next ``assign``, which always seeks.
    """

    def __init__(self, topic: str, make: Callable[[], AIOKafkaConsumer]) -> None:
        self._topic = topic
        self._make = make
        self._consumer: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Connect.

        Raises:  KafkaError, OSError or TimeoutError within START_SECONDS.
        """
        self._consumer = self._make()
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._consumer.start()
                await self._consumer.topics()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_consumer(consumer)

    def assign(self, offsets: Mapping[int, int]) -> None:
        """Read these partitions, each from its offset, and nothing else."""
        assert self._consumer is not None
        partitions = {TopicPartition(self._topic, p): offset for p, offset in offsets.items()}
        self._consumer.assign(list(partitions))
        for partition, offset in partitions.items():
            self._consumer.seek(partition, offset)

    async def fetch(self, seconds: float, most: int | None = None) -> dict[int, Fetched]:
        """Return what there is, waiting up to ``seconds`` for something.

        Raises:  PositionLost; KafkaError when the consumer must be replaced.
        """
        assert self._consumer is not None
        try:
            records = await self._consumer.getmany(timeout_ms=int(seconds * 1000), max_records=most)
        except OffsetOutOfRangeError as exc:
            partition, offset = next(iter(exc.args[0].items()))
            raise PositionLost(partition.partition, offset) from exc
        return {
            partition.partition: Fetched(
                [entry for entry in map(parse, found) if entry is not None],
                found[-1].offset + 1,
            )
            for partition, found in records.items()
        }

    async def position(self, partition: int) -> int:
        """Return the next offset to read, past transaction markers that ``fetch`` never shows."""
        assert self._consumer is not None
        return int(await self._consumer.position(TopicPartition(self._topic, partition)))
