"""Records into the input topic as the API writes them, and what the results topic shows."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.request import urlopen

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streaming_runtime.core.model import Height, new_stream_id, parse_source
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.topics import ensure_topics

SECONDS = 25.0
Headers = Mapping[str, bytes | None]


@dataclass(frozen=True)
class Sent:
    """A record of the input topic, as a test means it."""

    value: bytes | None
    key: bytes | None = field(default_factory=lambda: new_stream_id().encode())
    kind: str | None = "record"
    processor: object = "identity"
    headers: Headers = field(default_factory=dict)

    def written_headers(self) -> list[tuple[str, bytes | None]]:
        named = {"name": self.processor} if isinstance(self.processor, str) else self.processor
        header = named if isinstance(named, bytes) else json.dumps(named).encode()
        kind = {} if self.kind is None else {"kind": self.kind.encode()}
        sent_at = b"%d" % (time.time_ns() // 1_000_000)
        return list({**kind, "processor": header, "sent-at": sent_at, **self.headers}.items())


class Traffic:
    """The topics of one test, written and read with clients of their own."""

    def __init__(self, broker: str, partitions: int = 3) -> None:
        prefix = f"p{secrets.token_hex(4)}."
        self.settings = KafkaSettings(broker, "plaintext", prefix, partitions)

    @property
    def environ(self) -> dict[str, str]:
        return {
            "KAFKA_BROKER": self.settings.broker,
            "KAFKA_TOPIC_PREFIX": self.settings.topic_prefix,
        }

    async def make_topics(self) -> None:
        await ensure_topics(self.settings)

    async def send(self, *records: Sent) -> list[str]:
        """Write the records and return their sources, as receipts would have them."""
        async with self.producing() as producer:
            return await self.send_with(producer, *records)

    async def send_with(self, producer: AIOKafkaProducer, *records: Sent) -> list[str]:
        """Write with a producer that goes on, and return the sources."""
        waiting = [
            await producer.send(
                self.settings.input_topic, r.value, r.key, headers=r.written_headers()
            )
            for r in records
        ]
        stored = [await future for future in waiting]
        return [f"{metadata.partition}-{metadata.offset}" for metadata in stored]

    async def results_of(self, sources: Sequence[str], seconds: float = SECONDS) -> list[Any]:
        """Return the first result of each input record, in their order."""
        return await self._first_of_each(self.settings.results_topic, sources, seconds)

    async def dead_letters_of(self, sources: Sequence[str]) -> list[Any]:
        """Return the first dead letter of each input record, in their order."""
        return await self._first_of_each(self.settings.dead_letter_topic, sources, SECONDS)

    async def read(
        self, topic: str, is_enough: Callable[[list[Any]], bool], seconds: float = SECONDS
    ) -> list[Any]:
        """Return a topic's committed records, partition by partition, once they are enough."""
        found: list[Any] = []
        async with self._consumer(topic) as consumer:
            async with asyncio.timeout(seconds):
                while not is_enough(found):
                    for records in (await consumer.getmany(timeout_ms=100)).values():
                        found.extend(records)
        return found

    async def all_results(self) -> list[Any]:
        """Return what the results topic holds now."""
        return await self._all(self.settings.results_topic)

    async def letters(self) -> list[Any]:
        """Return what the dead-letter topic holds now."""
        return await self._all(self.settings.dead_letter_topic)

    async def _all(self, topic: str) -> list[Any]:
        async with self._consumer(topic) as consumer:
            ends = await consumer.end_offsets(list(consumer.assignment()))
            found: list[Any] = []
            async with asyncio.timeout(SECONDS):
                while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                    for records in (await consumer.getmany(timeout_ms=100)).values():
                        found.extend(records)
        return found

    async def _first_of_each(self, topic: str, sources: Sequence[str], seconds: float) -> list[Any]:
        wanted = set(sources)

        def holds_each(found: list[Any]) -> bool:
            return wanted <= {source_of(record) for record in found}

        found = await self.read(topic, holds_each, seconds)
        firsts = {source_of(record): record for record in reversed(found)}
        return [firsts[source] for source in sources]

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[AIOKafkaProducer]:
        """Give a producer as any client may have it."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.settings.broker,
            enable_idempotence=True,
            max_request_size=4 << 20,
        )
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    @asynccontextmanager
    async def _consumer(self, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.broker,
            isolation_level="read_committed",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            is_one = topic == self.settings.dead_letter_topic
            count = 1 if is_one else self.settings.partitions
            consumer.assign([TopicPartition(topic, partition) for partition in range(count)])
            await consumer.seek_to_beginning()
            yield consumer
        finally:
            await consumer.stop()


def source_of(record: Any) -> str:
    return str(dict(record.headers)["source"].decode())


def headers_of(record: Any) -> dict[str, bytes]:
    return dict(record.headers)


def height_of(record: Any) -> Height:
    parsed = parse_source(dict(record.headers)["source"])
    assert parsed is not None
    return parsed[1]


def seen_by_readers(records: Sequence[Any]) -> dict[int, list[int]]:
    """Return the source offsets that a reader takes, by partition: each above all before it."""
    seen: dict[int, list[int]] = {}
    for record in sorted(records, key=lambda r: (r.partition, r.offset)):
        taken = seen.setdefault(record.partition, [])
        if not taken or height_of(record).offset > taken[-1]:
            taken.append(height_of(record).offset)
    return seen


def metric(port: int, name: str) -> float:
    """Return one figure of a metrics page."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        page = answer.read().decode()
    match = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    assert match is not None, f"{name} is not on the page"
    return float(match[1])
