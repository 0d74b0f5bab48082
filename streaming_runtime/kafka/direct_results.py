"""The results topic for one reader at a time: what a function uses, without a hub."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aiokafka.errors import KafkaError

from streaming_runtime.core.dedupe import OnceOnly
from streaming_runtime.core.errors import BrokerUnavailable, translated
from streaming_runtime.core.model import Incarnation, Position, Stream
from streaming_runtime.core.ports import Bounds
from streaming_runtime.core.results import EncodedResult, ResultEncoder
from streaming_runtime.kafka.clients import CALL_SECONDS, REPLAY_WAIT_MS
from streaming_runtime.kafka.failures import READ_FAILURES
from streaming_runtime.kafka.freshness import Freshness
from streaming_runtime.kafka.offsets import Offsets
from streaming_runtime.kafka.results_log import Fetched, PositionLost, ResultsConsumer

# An interrupted reader is back within one fetch; even the shortest lets an answer arrive.
FETCH_SECONDS = 0.5
SHORTEST_FETCH_SECONDS = 0.05
# A function serves one reader at a time; who comes meanwhile is better off with another replica.
TURN_SECONDS = 5.0
# What stands before a position tells the height there; repeats reach back no further than a commit.
HEIGHT_RESULTS = 2_000
# Beside the fetch's own bound in bytes, which is what aiokafka holds at a time.
MAX_RECORDS = 500
# A reading sends one fetch more than it needs, and the next reading waits behind it: measured, with
# 100 ms each of two pages in a row took 105 ms. Who waits for results waits longer at a time.
SHORT_WAIT_MS = 5
UNREADABLE = "The results cannot be read now"


class DirectResults:
    """Implements core.ports.ResultsLog with one consumer, used by one reader after the other."""

    def __init__(
        self,
        topic: str,
        input_topic: str,
        incarnation: Incarnation,
        encoder: ResultEncoder,
        offsets: Offsets,
        make_consumer: Callable[[], ResultsConsumer],
        freshness: Freshness | None = None,
    ) -> None:
        self._freshness = freshness or Freshness()
        self._connected_at = 0
        self.incarnation = incarnation
        self._topic = topic
        self._input_topic = input_topic
        self._encoder = encoder
        self._offsets = offsets
        self._make_consumer = make_consumer
        self._consumer: ResultsConsumer | None = None
        self._turn = asyncio.Lock()

    async def bounds(self, partition: int) -> Bounds:
        return await self._offsets.bounds(self._topic, partition)

    async def sources(self, partition: int) -> Bounds:
        return await self._offsets.bounds(self._input_topic, partition)

    async def tip(self, partition: int) -> Position:
        bounds = await self.bounds(partition)
        once = OnceOnly()
        offset = max(bounds.earliest, bounds.end - HEIGHT_RESULTS)
        if offset >= bounds.end:
            return Position(bounds.end)
        async with self._turn_at(partition, offset) as consumer:
            deadline = time.monotonic() + CALL_SECONDS
            while offset < bounds.end:
                if time.monotonic() > deadline:
                    raise BrokerUnavailable(UNREADABLE)
                fetched = (await self._fetch(consumer, FETCH_SECONDS)).get(partition)
                for entry in fetched.entries if fetched else ():
                    if entry.offset < bounds.end:
                        once.takes(entry)
                offset = await consumer.position(partition)
        return Position(bounds.end, once.height)

    @asynccontextmanager
    async def follow(self, stream: Stream, position: Position) -> AsyncIterator[DirectFeed]:
        async with self._turn_at(stream.partition, position.offset) as consumer:
            yield DirectFeed(stream, position, consumer, self._encoder, self._fetch)

    async def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    @asynccontextmanager
    async def _turn_at(self, partition: int, offset: int) -> AsyncIterator[ResultsConsumer]:
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise BrokerUnavailable("Another reading is under way here") from None
        try:
            consumer = await self._opened()
            consumer.wait_at_end(SHORT_WAIT_MS)
            consumer.assign({partition: offset})
            yield consumer
        finally:
            if self._consumer is not None:
                self._consumer.rest()
            self._turn.release()

    async def _opened(self) -> ResultsConsumer:
        standstills = self._freshness.count()
        if standstills != self._connected_at:
            await self.close()
        if self._consumer is None:
            consumer = self._make_consumer()
            with translated(READ_FAILURES):
                await consumer.start()
            self._consumer, self._connected_at = consumer, standstills
        return self._consumer

    async def _fetch(self, consumer: ResultsConsumer, seconds: float) -> dict[int, Fetched]:
        try:
            return await consumer.fetch(seconds, MAX_RECORDS)
        except PositionLost:
            raise BrokerUnavailable("The results at this position have just gone") from None
        except (KafkaError, OSError, TimeoutError) as exc:
            await self.close()
            raise BrokerUnavailable(UNREADABLE) from exc


class DirectFeed:
    """Implements core.ports.Feed over a consumer that stands at this reader's position."""

    has_lagged = False

    def __init__(
        self,
        stream: Stream,
        position: Position,
        consumer: ResultsConsumer,
        encoder: ResultEncoder,
        fetch: Callable[[ResultsConsumer, float], Awaitable[dict[int, Fetched]]],
    ) -> None:
        self.position = position
        self._stream = stream
        self._once = OnceOnly(position.height)
        self._consumer = consumer
        self._encoder = encoder
        self._fetch = fetch
        self.is_interrupted = False
        self._waits = False

    def hand_over(self, push: Callable[[], bool]) -> None:
        """Implements Feed: results are only ever taken."""

    def take_now(self) -> Sequence[EncodedResult]:
        return ()

    def interrupt(self) -> None:
        self.is_interrupted = True

    async def take(self, seconds: float, until: int | None = None) -> Sequence[EncodedResult]:
        deadline = time.monotonic() + seconds
        while until is None or self.position.offset < until:
            left = 0.0 if self.is_interrupted else deadline - time.monotonic()
            longest = FETCH_SECONDS if self._waits or until is not None else 0.0
            results = await self._read(max(SHORTEST_FETCH_SECONDS, min(left, longest)))
            if until is None and not self._waits:
                self._waits = True
                self._consumer.wait_at_end(REPLAY_WAIT_MS)
            if results or self.is_interrupted or time.monotonic() >= deadline:
                return results
        return ()

    async def _read(self, seconds: float) -> list[EncodedResult]:
        fetched = (await self._fetch(self._consumer, seconds)).get(self._stream.partition)
        results = [
            self._encoder.encode(entry)
            for entry in (fetched.entries if fetched else ())
            if self._once.takes(entry) and entry.stream_id == self._stream.stream_id
        ]
        # After every record of the partition, also other streams' and transaction markers.
        offset = await self._consumer.position(self._stream.partition)
        self.position = Position(offset, self._once.height)
        return results
