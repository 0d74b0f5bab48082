"""The registry of streams on a compacted topic: nothing else to run, and every replica has it all.

Each process reads the whole topic into memory and goes on reading. A write is answered when the
writer has read it back; a look-up that finds nothing first reads up to the topic's end, so what any
replica has written is found on every replica.
"""

from __future__ import annotations

import asyncio
import json
import logging
from bisect import bisect_right, insort
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streaming_runtime.core.errors import BrokerUnavailable, OutcomeUnknown
from streaming_runtime.core.model import Incarnation, Processor, Stream
from streaming_runtime.kafka.clients import CALL_SECONDS, START_SECONDS
from streaming_runtime.kafka.offsets import Offsets, stop_consumer
from streaming_runtime.kafka.producer import SupervisedProducer

log = logging.getLogger("millrace.kafka.registry")

# No stream id looks like this: theirs are 22 characters.
INCARNATION_KEY = b"incarnation"
RETRY_SECONDS = 0.5
POLL_MS = 1_000


class KafkaRegistry:
    """Implements core.ports.StreamRegistry over the ``streams`` topic."""

    def __init__(
        self,
        topic: str,
        producer: SupervisedProducer,
        offsets: Offsets,
        make_consumer: Callable[[], AIOKafkaConsumer],
    ) -> None:
        self._topic = topic
        self._producer = producer
        self._offsets = offsets
        self._make_consumer = make_consumer
        self._streams: dict[str, Stream] = {}
        self._by_tenant: dict[str, list[tuple[int, str]]] = {}
        self._incarnation: Incarnation | None = None
        self._next_offset = 0
        self._moved = asyncio.Condition()

    @property
    def incarnation(self) -> Incarnation | None:
        """The latest incarnation of the topics that anybody has announced."""
        return self._incarnation

    def streams(self) -> list[Stream]:
        """Return every stream known here, for the clock that ends those whose time is over."""
        return list(self._streams.values())

    async def put(self, stream: Stream) -> None:
        await self._write(stream.stream_id.encode(), to_json(stream))

    async def announce(self, incarnation: Incarnation) -> None:
        """Tell every process that the topics have been made anew."""
        entry = {"incarnation": incarnation.id, "partitions": incarnation.partitions}
        await self._write(INCARNATION_KEY, json.dumps(entry).encode())

    async def get(self, stream_id: str) -> Stream | None:
        if (stream := self._streams.get(stream_id)) is not None:
            return stream
        await self.catch_up()
        return self._streams.get(stream_id)

    async def page(self, tenant: str, after: tuple[int, str] | None, limit: int) -> list[Stream]:
        await self.catch_up()
        known = self._by_tenant.get(tenant, [])
        start = 0 if after is None else bisect_right(known, after)
        return [self._streams[stream_id] for _, stream_id in known[start : start + limit]]

    async def catch_up(self) -> None:
        """Wait until everything written so far, by anybody, has been read here.

        Raises:  BrokerUnavailable.
        """
        bounds = await self._offsets.bounds(self._topic, 0)
        try:
            await self._read_up_to(bounds.end)
        except TimeoutError:
            raise BrokerUnavailable("The registry cannot be read now") from None

    async def follow(self) -> None:
        """Read the topic until cancelled; a fault of Kafka is waited out."""
        while True:
            consumer = self._make_consumer()
            try:
                async with asyncio.timeout(START_SECONDS):
                    await consumer.start()
                await self._read(consumer)
            except (KafkaError, TimeoutError, OSError) as exc:
                log.warning("registry cannot be read", extra={"reason": repr(exc)})
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                await stop_consumer(consumer)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        partition = TopicPartition(self._topic, 0)
        consumer.assign([partition])
        # A compacted topic keeps its offsets: where the first was cleaned, the next one follows.
        bounds = await self._offsets.bounds(self._topic, 0)
        if self._next_offset > bounds.end:
            raise RegistryReplaced("the streams topic was made anew")
        consumer.seek(partition, max(self._next_offset, bounds.earliest))
        while True:
            records = await consumer.getmany(partition, timeout_ms=POLL_MS)
            for record in records.get(partition, ()):
                self._apply(record.key, record.value)
            position = await consumer.position(partition)
            if position != self._next_offset:
                async with self._moved:
                    self._next_offset = position
                    self._moved.notify_all()

    async def _write(self, key: bytes, value: bytes) -> None:
        stored = await self._producer.send(self._topic, key, value, [])
        try:
            await self._read_up_to(stored.offset + 1)
        except TimeoutError:
            raise OutcomeUnknown from None

    async def _read_up_to(self, offset: int) -> None:
        if self._next_offset >= offset:
            return
        async with asyncio.timeout(CALL_SECONDS), self._moved:
            await self._moved.wait_for(lambda: self._next_offset >= offset)

    def _apply(self, key: bytes | None, value: bytes | None) -> None:
        if key == INCARNATION_KEY and value:
            entry = json.loads(value)
            self._incarnation = Incarnation(entry["incarnation"], entry["partitions"])
            return
        stream = from_json(value) if value else None
        if stream is None:
            return
        if stream.stream_id not in self._streams:
            known = self._by_tenant.setdefault(stream.tenant, [])
            insort(known, (stream.created_at, stream.stream_id))
        self._streams[stream.stream_id] = stream


class RegistryReplaced(Exception):
    """The topic under a running process is another one: the process must start anew."""


def to_json(stream: Stream) -> bytes:
    """Return a registry entry as it stands in the topic."""
    entry: dict[str, Any] = {
        name: getattr(stream, name)
        for name in Stream.__dataclass_fields__
        if name != "processor" and getattr(stream, name) is not None
    }
    entry["processor"] = {"name": stream.processor.name, **stream.processor.parameters}
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()


def from_json(value: bytes) -> Stream | None:
    """Read a registry entry; None if it is not one (fields of later versions are passed over)."""
    try:
        entry = json.loads(value)
        processor = dict(entry["processor"])
        known = {name: entry[name] for name in Stream.__dataclass_fields__ if name in entry}
        known["processor"] = Processor(processor.pop("name"), processor)
        return Stream(**known)
    except (ValueError, KeyError, TypeError):
        log.warning("a registry entry cannot be read and is passed over")
        return None
