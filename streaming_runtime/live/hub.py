"""The hub: one shared consumer feeds every reader of this process.

It reads only the partitions that have readers here. A reader begins in the ring of recent results
when its position is there, else in a sweep over the log that it shares with others.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.model import NOTHING_SEEN, Incarnation, Position, Stream
from streaming_runtime.core.ports import Bounds
from streaming_runtime.core.results import ResultEncoder
from streaming_runtime.kafka.clients import CALL_SECONDS
from streaming_runtime.kafka.failures import READ_FAULTS
from streaming_runtime.kafka.offsets import Offsets
from streaming_runtime.kafka.results_log import Fetched, PositionLost, ResultsConsumer
from streaming_runtime.live.partition import LivePartition
from streaming_runtime.live.subscription import Subscription
from streaming_runtime.live.sweep import Sweeps

log = logging.getLogger("millrace.live.hub")

# A partition is read from a little before its end: what was just sent is what is asked for first,
# and the height at the end is known from what stands before it.
PRIME_RESULTS = 2_000
# Long enough that a page reload finds its partition still read.
KEEP_IDLE_SECONDS = 60.0
FETCH_SECONDS = 0.5
# Two fetches are at least this far apart, so that under load each brings what has gathered: a fetch
# costs as much as ten results. The first result after a silence never waits for it.
FETCH_APART_SECONDS = 0.0005
# The readers' tasks run between two turns, so that a burst finds their queues emptied.
TURN_RESULTS = 100
RETRY_SECONDS = 0.25
FAULTS: tuple[type[BaseException], ...] = (BrokerUnavailable, *READ_FAULTS)


class Hub:
    """Implements core.ports.ResultsLog for the many readers of one process."""

    def __init__(
        self,
        topic: str,
        input_topic: str,
        incarnation: Incarnation,
        encoder: ResultEncoder,
        offsets: Offsets,
        make_consumer: Callable[[], ResultsConsumer],
        make_sweeper: Callable[[], ResultsConsumer],
    ) -> None:
        self.incarnation = incarnation
        self.is_reading = False
        self._is_ending = False
        self._topic = topic
        self._input_topic = input_topic
        self._encoder = encoder
        self._offsets = offsets
        self._make_consumer = make_consumer
        self._partitions: dict[int, LivePartition] = {}
        self._opening: dict[int, asyncio.Task[LivePartition]] = {}
        # Where each partition ended when it was opened.
        self._ends: dict[int, int] = {}
        self._holds: Counter[int] = Counter()
        self._changed = asyncio.Event()
        self._sweeps = Sweeps(make_sweeper, encoder, self.bounds)

    async def bounds(self, partition: int) -> Bounds:
        return await self._offsets.bounds(self._topic, partition)

    async def sources(self, partition: int) -> Bounds:
        return await self._offsets.bounds(self._input_topic, partition)

    async def tip(self, partition: int) -> Position:
        async with self._held(partition) as live:
            # Not below the end as of now: what was written before this call is not new, and its
            # height must be known, or a repeat of it would be.
            await self._reach(live, (await self.bounds(partition)).end)
            return live.position

    @asynccontextmanager
    async def follow(self, stream: Stream, position: Position) -> AsyncIterator[Subscription]:
        async with self._held(stream.partition) as live:
            subscription = Subscription(stream.stream_id, position, live, self._bring_on)
            try:
                live.behind.add(subscription)
                self._bring_on(subscription)
                if self._is_ending:
                    subscription.interrupt()
                yield subscription
            finally:
                live.leave(subscription)
                subscription.close()

    def end_waits(self) -> None:
        """Let no reader wait any more, now or later: the process is about to end."""
        self._is_ending = True
        for partition in self._partitions.values():
            for subscription in partition.readers():
                subscription.interrupt()

    async def pump(self) -> None:
        """Read until cancelled; a fault of Kafka is waited out, one of ours ends the process."""
        try:
            while True:
                consumer = self._make_consumer()
                try:
                    await consumer.start()
                    self.is_reading = True
                    await self._read(consumer)
                except FAULTS as exc:
                    self.is_reading = False
                    log.warning("results cannot be read", extra={"reason": repr(exc)})
                    await asyncio.sleep(RETRY_SECONDS)
                finally:
                    await consumer.stop()
        finally:
            await self._sweeps.close()

    async def _read(self, consumer: ResultsConsumer) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            self._drop_idle(loop.time())
            offsets = {number: p.next_offset for number, p in self._partitions.items()}
            if not offsets:
                await self._changed.wait()
                continue
            consumer.assign(offsets)
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                await self._read_assigned(consumer, changed)
            finally:
                changed.cancel()

    async def _read_assigned(self, consumer: ResultsConsumer, changed: asyncio.Task[Any]) -> None:
        """Read until the set of partitions changes, or one of them has been idle for long."""
        loop = asyncio.get_running_loop()
        while not changed.done():
            started = loop.time()
            fetched = await self._fetch_unless(changed, consumer)
            for number, found in fetched.items():
                await self._feed(self._partitions[number], found)
            if fetched:
                await asyncio.sleep(max(0.0, started + FETCH_APART_SECONDS - loop.time()))
                continue
            if self._changed.is_set():
                return  # What joined is not assigned yet, and cannot be asked for its position.
            await self._pass_markers(consumer)
            if self._has_idle(loop.time()):
                return

    async def _fetch_unless(
        self, changed: asyncio.Task[Any], consumer: ResultsConsumer
    ) -> dict[int, Fetched]:
        """Fetch, but come back at once when the set of partitions changes.

        The fetch that is cancelled may have taken records: the assign that follows seeks back.
        """
        fetch = asyncio.ensure_future(consumer.fetch(FETCH_SECONDS))
        try:
            await asyncio.wait({fetch, changed}, return_when=asyncio.FIRST_COMPLETED)
            return fetch.result() if fetch.done() else {}
        except PositionLost as lost:
            await self._restart(lost)
            return {}
        finally:
            fetch.cancel()

    async def _feed(self, partition: LivePartition, found: Fetched) -> None:
        entries = found.entries
        for first in range(0, len(entries), TURN_RESULTS):
            turn = entries[first : first + TURN_RESULTS]
            is_last = first + TURN_RESULTS >= len(entries)
            partition.feed(turn, found.next_offset if is_last else turn[-1].offset + 1)
            if not is_last:
                await asyncio.sleep(0)
        if not entries:
            partition.feed((), found.next_offset)

    async def _pass_markers(self, consumer: ResultsConsumer) -> None:
        """Move past transaction markers, which use offsets but are never fetched."""
        for number, partition in list(self._partitions.items()):
            position = await consumer.position(number)
            if position > partition.next_offset:
                partition.feed((), position)

    @asynccontextmanager
    async def _held(self, number: int) -> AsyncIterator[LivePartition]:
        """Open a partition, and keep it read from before it is open until the block is left."""
        self._holds[number] += 1
        try:
            yield await self._opened(number)
        finally:
            self._holds[number] -= 1
            if (partition := self._partitions.get(number)) is not None:
                partition.idle_since = asyncio.get_running_loop().time()

    async def _opened(self, number: int) -> LivePartition:
        """Return a partition that is read, and read up to its end as of the first call.

        Raises:  BrokerUnavailable.
        """
        partition = self._partitions.get(number)
        if partition is None:
            opening = self._opening.get(number)
            if opening is None:
                opening = asyncio.ensure_future(self._open(number))
                self._opening[number] = opening
                opening.add_done_callback(lambda _: self._opening.pop(number, None))
            partition = await asyncio.shield(opening)
        await self._reach(partition, self._ends[number])
        return partition

    @staticmethod
    async def _reach(partition: LivePartition, offset: int) -> None:
        if partition.next_offset >= offset:
            return  # As nearly always, and a timer costs as much as all of this.
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await partition.reach(offset)
        except TimeoutError:
            raise BrokerUnavailable("The results cannot be read now") from None

    async def _open(self, number: int) -> LivePartition:
        bounds = await self.bounds(number)
        start = max(bounds.earliest, bounds.end - PRIME_RESULTS)
        partition = LivePartition(number, Position(start), self._encoder)
        self._ends[number] = bounds.end
        partition.idle_since = asyncio.get_running_loop().time()
        self._partitions[number] = partition
        self._changed.set()
        return partition

    async def _restart(self, lost: PositionLost) -> None:
        """Go on at the first offset that exists; readers that were behind it are told by theirs."""
        partition = self._partitions[lost.partition]
        bounds = await self.bounds(lost.partition)
        log.error(
            "results are gone",
            extra={"partition": lost.partition, "offset": lost.offset, "earliest": bounds.earliest},
        )
        # A log that ends before what was read is an older one: its sources may come once more.
        is_truncated = bounds.end < lost.offset
        height = NOTHING_SEEN if is_truncated else partition.position.height
        for reader in partition.readers():
            reader.lose(is_truncated)
        partition.restart(Position(bounds.earliest, height))
        self._ends[lost.partition] = min(self._ends[lost.partition], bounds.end)
        self._changed.set()

    def _bring_on(self, subscription: Subscription) -> None:
        """Bring a reader towards the live end, from the ring or by a sweep."""
        partition = self._partitions[subscription.owner.number]
        if not partition.splice(subscription):
            self._sweeps.serve(partition, subscription)

    def _has_idle(self, now: float) -> bool:
        return any(self._is_idle(n, p, now) for n, p in self._partitions.items())

    def _drop_idle(self, now: float) -> None:
        idle = [n for n, p in self._partitions.items() if self._is_idle(n, p, now)]
        for number in idle:
            del self._partitions[number]

    def _is_idle(self, number: int, partition: LivePartition, now: float) -> bool:
        return not self._holds[number] and now - partition.idle_since > KEEP_IDLE_SECONDS
