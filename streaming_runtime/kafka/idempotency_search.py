"""Looking for the record of a claim in the input topic, for many claims in one reading."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.model import Stream
from streaming_runtime.core.ports import Claim, Ends
from streaming_runtime.kafka.internals import drop_fetched, ensure_alive, start, stop_consumer
from streaming_runtime.kafka.offsets import Offsets

HEADER = "idempotency-key"
# A record follows its claim within the 3 s of its send; the rest is for clocks that differ.
LANDING_MS = 15_000
# Claims so near to each other are looked for together.
NEAR_RECORDS = 5_000
MAX_BYTES = 64 << 20
ROUND_SECONDS = 1.8
POLL_MS = 200
TURN_RECORDS = 1_000
UNREADABLE = "What became of the first request cannot be read now"

Found = dict[str, int]


@dataclass(eq=False, slots=True)
class Search:
    """What one caller looks for: the first record of each name, from an offset on."""

    place: TopicPartition
    stream_key: bytes
    names: frozenset[bytes]
    offset: int
    until_ms: int
    answer: asyncio.Future[Found]
    found: Found = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return self.answer.done() or len(self.found) == len(self.names)

    def look_at(self, record: ConsumerRecord) -> None:
        if record.key != self.stream_key or record.offset < self.offset:
            return
        name = dict(record.headers).get(HEADER)
        if name in self.names:
            self.found.setdefault(name.decode(), record.offset)

    def finish(self) -> None:
        if not self.answer.done():
            self.answer.set_result(self.found)


class KafkaInput:
    """Implements core.ports.InputLog with one consumer, which works while somebody looks."""

    def __init__(
        self,
        input_topic: str,
        results_topic: str,
        offsets: Offsets,
        make_consumer: Callable[[], AIOKafkaConsumer],
    ) -> None:
        self._input_topic = input_topic
        self._results_topic = results_topic
        self._offsets = offsets
        self._make_consumer = make_consumer
        self._consumer: AIOKafkaConsumer | None = None
        self._asked: list[Search] = []
        self._has_asked = asyncio.Event()

    async def ends(self, partition: int) -> Ends:
        asked = (self._input_topic, self._results_topic)
        # Asked for at once, they are one question to Kafka.
        bounds = await asyncio.gather(*(self._offsets.bounds(t, partition) for t in asked))
        return Ends(*(each.end for each in bounds))

    async def landed(self, stream: Stream, names: Collection[str], claim: Claim) -> Found:
        search = Search(
            TopicPartition(self._input_topic, stream.partition),
            stream.stream_id.encode(),
            frozenset(name.encode() for name in names),
            claim.ends.input,
            claim.at + LANDING_MS,
            asyncio.get_running_loop().create_future(),
        )
        self._asked.append(search)
        self._has_asked.set()
        return await search.answer

    async def run(self) -> None:
        """Answer those who look, until cancelled."""
        try:
            while True:
                await self._has_asked.wait()
                self._has_asked.clear()
                while self._asked:
                    await self._answer(self._next_round())
                if self._consumer is not None:
                    drop_fetched(self._consumer)
                    self._consumer.assign([])  # Else it would go on reading for nobody.
        finally:
            await self._drop()

    def _next_round(self) -> list[Search]:
        """Take those that can be answered with the one that waits longest."""
        self._asked = [search for search in self._asked if not search.answer.done()]
        if not self._asked:
            return []
        first = self._asked[0]
        together = {s for s in self._asked if s.place == first.place and _are_near(s, first)}
        taken = [search for search in self._asked if search in together]
        self._asked = [search for search in self._asked if search not in together]
        return taken

    async def _answer(self, searches: list[Search]) -> None:
        if not searches:
            return
        try:
            async with asyncio.timeout(ROUND_SECONDS):
                await self._search(searches)
        except (KafkaError, BrokerUnavailable, OSError, TimeoutError):
            await self._drop()
            for search in searches:
                if not search.answer.done():
                    search.answer.set_exception(BrokerUnavailable(UNREADABLE))
        for search in searches:
            search.finish()

    async def _search(self, searches: list[Search]) -> None:
        place = searches[0].place
        bounds = await self._offsets.bounds(place.topic, place.partition)
        offset = max(bounds.earliest, min(search.offset for search in searches))
        until_ms = max(search.until_ms for search in searches)
        if offset >= bounds.end:
            return
        consumer = await self._standing()
        drop_fetched(consumer)
        consumer.assign([place])
        consumer.seek(place, offset)
        size = 0
        while offset < bounds.end and size < MAX_BYTES:
            found = await consumer.getmany(place, timeout_ms=POLL_MS, max_records=TURN_RECORDS)
            records = found.get(place, ())
            if not records:
                ensure_alive(consumer)
            size += _look(searches, records)
            if all(search.is_over for search in searches):
                return
            if records and records[-1].timestamp > until_ms:
                return
            offset = await consumer.position(place)
            await asyncio.sleep(0)

    async def _standing(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            self._consumer = self._make_consumer()
            await start(self._consumer)
        return self._consumer

    async def _drop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_consumer(consumer)


def _are_near(one: Search, other: Search) -> bool:
    return abs(one.offset - other.offset) <= NEAR_RECORDS


def _look(searches: list[Search], records: Iterable[ConsumerRecord]) -> int:
    """Show records to those that look for them, and return how many bytes that was."""
    by_stream: dict[bytes, list[Search]] = {}
    for search in searches:
        by_stream.setdefault(search.stream_key, []).append(search)
    size = 0
    for record in records:
        size += max(record.serialized_value_size, 0)
        for search in by_stream.get(record.key or b"", ()):
            search.look_at(record)
    return size
