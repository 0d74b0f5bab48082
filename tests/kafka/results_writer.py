"""Writes into the results topic as a processing engine of the contract would, and as none may."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer

from streaming_runtime.core.model import Processor, Stream, new_stream_id
from streaming_runtime.core.settings import KafkaSettings
from tests.kafka.parts import plain_producer

RawHeaders = Sequence[tuple[str, bytes | None]]


class ResultsWriter:
    """A hand on one partition; sources go up by themselves unless one is given."""

    def __init__(self, settings: KafkaSettings, producer: AIOKafkaProducer, partition: int) -> None:
        self.partition = partition
        self._topic = settings.results_topic
        self._producer = producer
        self._next_source = 0

    def stream(self, first_offset: int = 0) -> Stream:
        """Return a new stream of this partition; readers go by the number, not by the key."""
        stream_id = new_stream_id()
        return Stream(
            stream_id, "acme", Processor("identity"), "AAAAAAAA", self.partition, first_offset, 0
        )

    async def result(
        self,
        stream: Stream,
        value: bytes = b"1",
        source: int | None = None,
        part: int | None = None,
        kind: bytes = b"result",
    ) -> str:
        """Append a result; return its source."""
        if source is None:
            source = self._next_source
            self._next_source += 1
        name = f"{self.partition}-{source}" + ("" if part is None else f"-{part}")
        headers: RawHeaders = [
            ("kind", kind),
            ("source", name.encode()),
            ("sent-at", b"1700000000000"),
            ("processed-at", b"1700000000001"),
        ]
        await self.raw(stream.stream_id.encode(), value, headers)
        return name

    async def raw(self, key: bytes | None, value: bytes | None, headers: RawHeaders) -> int:
        """Append any record; return its offset."""
        stored = await self._producer.send_and_wait(
            self._topic, value, key, self.partition, headers=list(headers)
        )
        return int(stored.offset)


@asynccontextmanager
async def writing_results(
    settings: KafkaSettings, partition: int = 1
) -> AsyncIterator[ResultsWriter]:
    async with plain_producer(settings) as producer:
        yield ResultsWriter(settings, producer, partition)
