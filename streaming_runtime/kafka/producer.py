"""The producer that the rest never sees die: supervised, bounded, with a deadline on every send."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streaming_runtime.core.errors import BrokerUnavailable, Overloaded, StreamingError
from streaming_runtime.core.ports import Waiter
from streaming_runtime.core.waiters import give_up
from streaming_runtime.kafka.backlog import Backlog
from streaming_runtime.kafka.batch import Headers, Pending
from streaming_runtime.kafka.batches import BatchingProducer
from streaming_runtime.kafka.clients import SEND_SECONDS, START_SECONDS, STOP_SECONDS
from streaming_runtime.kafka.doors import Doors
from streaming_runtime.kafka.freshness import Freshness
from streaming_runtime.kafka.internals import ProducerInternals, start
from streaming_runtime.kafka.load import Load

log = logging.getLogger("millrace.kafka.producer")

# What Kafka stores beside the bytes of a record and of each header, rounded up.
RECORD_OVERHEAD = 40
HEADER_OVERHEAD = 12
FIRST_RETRY_SECONDS = 0.1
# With the 3 s after which aiokafka gives up a connection this makes 5 s from the cluster's return.
MAX_RETRY_SECONDS = 1.0
# Where every send costs the producer (a permission was withdrawn), a cluster must not be flooded
# with new ones: managed brokers allow a few connections a second.
SHORT_LIFE_SECONDS = 5.0
PAUSE_SECONDS = 0.5
# A producer that another one follows keeps what is under way for so long.
SETTLE_SECONDS = 0.5


class Stored(NamedTuple):
    """Where Kafka put a record."""

    partition: int
    offset: int


class SupervisedProducer:
    """Owns one idempotent producer at a time and replaces it when it can no longer be trusted.

    Three outcomes for a send: stored; certainly not stored (BrokerUnavailable, Overloaded,
    RecordTooLarge); unknown (OutcomeUnknown). Each comes within SEND_SECONDS, whatever Kafka does.

    One that is in doubt for some partitions serves the others until the next one has started: a
    broker that stands still costs only the partitions that it leads. One from before a standstill
    of this process gets nothing more: what comes waits for the next one.
    """

    def __init__(
        self,
        make: Callable[[], AIOKafkaProducer],
        topics: Sequence[str],
        load: Load | None = None,
        freshness: Freshness | None = None,
    ) -> None:
        self.freshness = freshness or Freshness()
        self._connected_at = 0
        self._make = make
        self._topics = topics
        self._load = load or Load()
        self._backlog = Backlog(self._load)
        self._doors = Doors()
        self._current: BatchingProducer | None = None
        self._is_current = asyncio.Event()
        self._is_doubted = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def is_ready(self) -> bool:
        return self._current is not None and not self._is_doubted.is_set()

    async def supervise(self) -> None:
        """Keep a producer alive until cancelled; raises only on a fault of ours."""
        watching = asyncio.ensure_future(self.freshness.watch())
        try:
            while True:
                self._use(*await self._started())
                began = time.monotonic()
                await self._until_doubted()
                if time.monotonic() - began < SHORT_LIFE_SECONDS:
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            watching.cancel()
            self._retire("closed")
            self._backlog.clear()
            if self._closing:
                await asyncio.wait(self._closing, timeout=3 * STOP_SECONDS)

    async def send(self, topic: str, key: bytes, value: bytes | None, headers: Headers) -> Stored:
        """Append one record and wait until all in-sync replicas have it.

        Raises:  BrokerUnavailable, Overloaded, RecordTooLarge (not stored), OutcomeUnknown.
        """
        waiter: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self.enter(topic, key, value, headers, waiter)
        return Stored(*await waiter)

    def enter(
        self, topic: str, key: bytes, value: bytes | None, headers: Headers, waiter: Waiter
    ) -> None:
        """Count a record and pass it on; ``waiter`` gets its place, or what became of it.

        Raises:  Overloaded; then nothing was counted, and nobody is told.
        """
        self._enter(Pending(topic, key, value, headers, _size(key, value, headers), waiter))

    async def send_all(
        self, topic: str, key: bytes, values: Sequence[bytes], headers: Headers
    ) -> list[tuple[int, int] | StreamingError]:
        """Append records of one key in their order; return each one's place, or what became of it.

        Shape:   all have entered before this first waits.
        """
        size, loop = _size(key, b"", headers), asyncio.get_running_loop()
        waiters: list[asyncio.Future[tuple[int, int]]] = [loop.create_future() for _ in values]
        outcomes: list[tuple[int, int] | StreamingError] = []
        entered = self._enter_all(
            [
                Pending(topic, key, value, headers, size + len(value), waiter)
                for value, waiter in zip(values, waiters, strict=True)
            ]
        )
        # Nobody who comes behind may enter before: the order would not be that of the lines.
        refused = [Overloaded() for _ in waiters[entered:]]
        del waiters[entered:]
        try:
            for waiter in waiters:
                try:
                    outcomes.append(await waiter)
                except StreamingError as failure:
                    outcomes.append(failure)
        finally:
            for waiter in waiters[len(outcomes) :]:
                give_up(waiter)
        return outcomes + refused

    async def room(self, records: int, size: int) -> None:
        """Wait until there is room for lines.

        Raises:  Overloaded after the send deadline.
        """
        await self._load.room(records, size, SEND_SECONDS)

    async def partition_for(self, topic: str, key: bytes) -> int:
        """Return the partition of a key, by Kafka's default partitioner.

        Raises:  BrokerUnavailable.
        """
        try:
            async with asyncio.timeout(SEND_SECONDS):
                while self._current is None:
                    await self._is_current.wait()
        except TimeoutError:
            raise BrokerUnavailable from None
        return self._current.place_of(topic, key)[1]

    def _enter(self, record: Pending) -> None:
        """Count a record and pass it on.

        Raises:  Overloaded, and nothing was counted.
        """
        self._load.take(record.size)
        self._pass_on(record)

    def _enter_all(self, records: Sequence[Pending]) -> int:
        """Count records of one key and pass them on until there is no room; return how many."""
        entered = 0
        try:
            while entered < len(records):
                self._enter(records[entered])
                entered += 1
                entered += self._enter_behind(records[entered - 1], records[entered:])
        except Overloaded:
            pass  # The count says it.
        return entered

    def _enter_behind(self, before: Pending, records: Sequence[Pending]) -> int:
        """Let records into the batch that one of their key has just got into; return how many.

        What was looked at for that one holds for them as well: a third of the cost of a line.
        """
        if self._current is None:
            return 0
        taken = self._load.take_some([record.size for record in records])
        added = self._current.append_behind(before, records[:taken])
        left = records[added:taken]
        self._load.release(len(left), sum(record.size for record in left))
        return added

    def _pass_on(self, record: Pending) -> None:
        """Give a record to the producer, or have it wait for the next one."""
        try:
            if self._current is None or self._is_stale() or not self._current.takes(record):
                self._backlog.add(record)
            else:
                self._current.append(record)
        except StreamingError as refusal:
            self._load.release(1, record.size)
            record.fail(refusal)

    def _is_stale(self) -> bool:
        """Return whether this process stood still since the producer was connected."""
        if self._connected_at == self.freshness.count():
            return False
        self._on_doubt("this process stood still, and its connections may be gone")
        return True

    async def _started(self) -> tuple[ProducerInternals, int]:
        """Return a producer, and how many standstills there were when it was begun."""
        delay = FIRST_RETRY_SECONDS
        while True:
            standstills = self.freshness.count()
            internals = ProducerInternals(self._make())
            try:
                async with asyncio.timeout(START_SECONDS):
                    await start(internals.producer)
                    # Else each refresh asks for all topics of the cluster.
                    await internals.producer.client.set_topics(self._topics)
                    for topic in self._topics:
                        await internals.producer.partitions_for(topic)
            except (KafkaError, TimeoutError, OSError) as exc:
                # Then the one in doubt has nobody to talk to either.
                self._retire("no other producer can be started")
                await internals.hard_close()
                log.warning(
                    "Kafka cannot be written to: a send waits for it, up to its deadline, and is"
                    " refused then; the next try follows within a second",
                    extra={"reason": repr(exc)},
                )
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))
                delay = min(2 * delay, MAX_RETRY_SECONDS)
            except BaseException:
                await internals.hard_close()
                raise
            else:
                return internals, standstills

    def _use(self, internals: ProducerInternals, standstills: int) -> None:
        earlier = self._current
        self._connected_at = standstills
        self._is_doubted.clear()
        self._current = BatchingProducer(internals, self._load, self._doors, self._on_doubt)
        # In the same turn, so that nobody who comes now enters before those in line.
        self._backlog.move_to(self._pass_on)
        self._is_current.set()
        if earlier is not None:
            self._close_later(self._hand_on(earlier))

    async def _until_doubted(self) -> None:
        if self._current is None:
            return
        doubted = asyncio.ensure_future(self._is_doubted.wait())
        dying = asyncio.ensure_future(self._current.internals.until_dead())
        try:
            await asyncio.wait({doubted, dying}, return_when=asyncio.FIRST_COMPLETED)
            if not doubted.done():
                self._on_doubt(dying.result())
                self._retire(dying.result())
        finally:
            doubted.cancel()
            dying.cancel()

    def _on_doubt(self, reason: str) -> None:
        if not self._is_doubted.is_set():
            log.warning(
                "a producer is replaced: what is sent meanwhile waits for the next one",
                extra={"reason": reason},
            )
        self._is_doubted.set()

    def _retire(self, reason: str) -> None:
        """Give up what cannot be trusted, at once: who sends next waits for the next one."""
        self._is_current.clear()
        retired, self._current = self._current, None
        if retired is not None:
            retired.give_up(reason)
            self._close_later(retired.internals.hard_close())

    async def _hand_on(self, earlier: BatchingProducer) -> None:
        """End a producer that has been followed by another one, its answers first."""
        try:
            await earlier.settle(SETTLE_SECONDS)
        finally:
            earlier.give_up("followed by another one")
            await earlier.internals.hard_close()

    def _close_later(self, close: Coroutine[Any, Any, None]) -> None:
        closing = asyncio.ensure_future(close)
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


def _size(key: bytes, value: bytes | None, headers: Headers) -> int:
    """Return an upper bound of the bytes a record takes in a batch."""
    parts = sum(len(name) + len(content) + HEADER_OVERHEAD for name, content in headers)
    return RECORD_OVERHEAD + len(key) + len(value or b"") + parts
