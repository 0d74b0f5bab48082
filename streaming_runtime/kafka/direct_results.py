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
from streaming_runtime.kafka.failures import READ_FAILURES
from streaming_runtime.kafka.offsets import Offsets
from streaming_runtime.kafka.results_log import Fetched, PositionLost, ResultsConsumer

FETCH_SECONDS = 0.5
# What stands before a position tells the height there; repeats reach back no further than a commit.
HEIGHT_RESULTS = 2_000
MAX_RECORDS = 500


class DirectResults:
    """Implements core.ports.ResultsLog with one consumer, used by one reader after the other."""

    def __init__(
        self,
        topic: str,
        incarnation: Incarnation,
        encoder: ResultEncoder,
        offsets: Offsets,
        make_consumer: Callable[[], ResultsConsumer],
    ) -> None:
        self.incarnation = incarnation
        self._topic = topic
        self._encoder = encoder
        self._offsets = offsets
        self._make_consumer = make_consumer
        self._consumer: ResultsConsumer | None = None
        self._turn = asyncio.Lock()

    async def bounds(self, partition: int) -> Bounds:
        return await self._offsets.bounds(self._topic, partition)

    async def tip(self, partition: int) -> Position:
        bounds = await self.bounds(partition)
        start = max(bounds.earliest, bounds.end - HEIGHT_RESULTS)
        once = OnceOnly()
        async with self._turn:
            consumer = await self._opened()
            consumer.assign({partition: start})
            offset = start
            deadline = time.monotonic() + FETCH_SECONDS * 4
            while offset < bounds.end:
                fetched = (await self._fetch(consumer)).get(partition)
                for entry in fetched.entries if fetched else ():
                    if entry.offset < bounds.end:
                        once.takes(entry)
                offset = await consumer.position(partition)
                if time.monotonic() > deadline:
                    raise BrokerUnavailable("The results cannot be read now")
        return Position(bounds.end, once.height)

    @asynccontextmanager
    async def follow(self, stream: Stream, position: Position) -> AsyncIterator[DirectFeed]:
        async with self._turn:
            consumer = await self._opened()
            consumer.assign({stream.partition: position.offset})
            yield DirectFeed(stream, position, consumer, self._encoder, self._fetch)

    async def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _opened(self) -> ResultsConsumer:
        if self._consumer is None:
            consumer = self._make_consumer()
            with translated(READ_FAILURES):
                await consumer.start()
            self._consumer = consumer
        return self._consumer

    async def _fetch(self, consumer: ResultsConsumer) -> dict[int, Fetched]:
        try:
            return await consumer.fetch(FETCH_SECONDS, MAX_RECORDS)
        except PositionLost:
            raise BrokerUnavailable("The results at this position have just gone") from None
        except (KafkaError, OSError, TimeoutError) as exc:
            await self.close()
            raise BrokerUnavailable("The results cannot be read now") from exc


class DirectFeed:
    """Implements core.ports.Feed over a consumer that stands at this reader's position."""

    has_lagged = False

    def __init__(
        self,
        stream: Stream,
        position: Position,
        consumer: ResultsConsumer,
        encoder: ResultEncoder,
        fetch: Callable[[ResultsConsumer], Awaitable[dict[int, Fetched]]],
    ) -> None:
        self.position = position
        self._stream = stream
        self._once = OnceOnly(position.height)
        self._consumer = consumer
        self._encoder = encoder
        self._fetch = fetch

    async def take(self, seconds: float, until: int | None = None) -> Sequence[EncodedResult]:
        deadline = time.monotonic() + seconds
        while until is None or self.position.offset < until:
            fetched = (await self._fetch(self._consumer)).get(self._stream.partition)
            results = [
                self._encoder.encode(entry)
                for entry in (fetched.entries if fetched else ())
                if self._once.takes(entry) and entry.stream_id == self._stream.stream_id
            ]
            offset = await self._consumer.position(self._stream.partition)
            self.position = Position(offset, self._once.height)
            if results or time.monotonic() >= deadline:
                return results
        return ()
