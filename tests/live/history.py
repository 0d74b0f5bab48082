"""A results partition with a history, and a hub that counts what it reads of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaProducer

from streaming_runtime.core.cursor import CursorSeal
from streaming_runtime.core.model import Incarnation, Processor, Stream, new_stream_id
from streaming_runtime.core.results import ResultEncoder
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.results_log import Fetched, ResultsConsumer
from streaming_runtime.live.hub import Hub
from tests.kafka.parts import (
    asking_offsets,
    in_background,
    plain_producer,
    reader,
    results_consumer,
)

PARTITION = 1
INCARNATION = Incarnation("AAAAAAAA", 3)
SEAL = CursorSeal(b"secret")
UNDER_WAY = 2_000
PAGE_BYTES = 4_096


class History:
    """Results of many streams in one partition; ``sources`` are their input offsets by stream."""

    def __init__(self, settings: KafkaSettings, producer: AIOKafkaProducer) -> None:
        self.sources: dict[str, list[int]] = {}
        self.streams: list[Stream] = []
        self._topic = settings.results_topic
        self._producer = producer
        self._next_source = 0

    def new_stream(self) -> Stream:
        stream_id = new_stream_id()
        self.sources[stream_id] = []
        identity = Processor("identity")
        return Stream(stream_id, "acme", identity, INCARNATION.id, PARTITION, 0, 0)

    async def write(self, stream: Stream, value: bytes) -> None:
        await (await self.written(stream, value))

    async def written(self, stream: Stream, value: bytes) -> asyncio.Future[object]:
        """Hand a result to the producer; return what is done when Kafka has it."""
        source, self._next_source = self._next_source, self._next_source + 1
        self.sources[stream.stream_id].append(source)
        headers = [
            ("kind", b"result"),
            ("source", b"%d-%d" % (PARTITION, source)),
            ("sent-at", b"1700000000000"),
            ("processed-at", b"1700000000001"),
        ]
        key = stream.stream_id.encode()
        sent: asyncio.Future[object] = await self._producer.send(
            self._topic, value, key, PARTITION, headers=headers
        )
        return sent


@asynccontextmanager
async def written_history(
    settings: KafkaSettings, results: int, streams: int
) -> AsyncIterator[History]:
    """Write results of so many streams, in a random order, and give a hand to write more."""
    async with plain_producer(settings) as producer:
        history = History(settings, producer)
        history.streams = [history.new_stream() for _ in range(streams)]
        for first in range(0, results, UNDER_WAY):
            count = min(UNDER_WAY, results - first)
            chosen = random.choices(history.streams, k=count)
            sent = [await history.written(stream, b'"%0100d"' % first) for stream in chosen]
            await asyncio.gather(*sent)
        yield history


class Counting:
    """How much of the log the sweeps of a hub have read."""

    def __init__(self) -> None:
        self.records = 0
        self.passes = 0

    @staticmethod
    def resident() -> int:
        """Return the bytes of memory that this process has now."""
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


class CountedConsumer(ResultsConsumer):
    """A consumer of history that notes what it is asked for and what it hands out."""

    def __init__(self, settings: KafkaSettings, counting: Counting) -> None:
        super().__init__(settings.results_topic, lambda: reader(settings))
        self._counting = counting

    def assign(self, offsets: Mapping[int, int]) -> None:
        self._counting.passes += 1
        super().assign(offsets)

    async def fetch(self, seconds: float, most: int | None = None) -> dict[int, Fetched]:
        fetched = await super().fetch(seconds, most)
        self._counting.records += sum(len(found.entries) for found in fetched.values())
        return fetched


@asynccontextmanager
async def counted_hub(settings: KafkaSettings) -> AsyncIterator[tuple[Hub, Counting]]:
    counting = Counting()
    async with asking_offsets(settings) as offsets:
        hub = Hub(
            settings.results_topic,
            settings.input_topic,
            INCARNATION,
            ResultEncoder(SEAL, INCARNATION.id),
            offsets,
            lambda: results_consumer(settings),
            lambda: CountedConsumer(settings, counting),
        )
        async with in_background(hub.pump()):
            await hub.tip(PARTITION)
            yield hub, counting
