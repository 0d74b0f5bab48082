"""Sweeps: readers that are behind share one pass over their partition's log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from streaming_runtime.core.dedupe import OnceOnly
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.model import LogEntry, Position
from streaming_runtime.core.ports import Bounds
from streaming_runtime.core.results import ResultEncoder
from streaming_runtime.kafka.clients import STOP_SECONDS
from streaming_runtime.kafka.failures import READ_FAULTS
from streaming_runtime.kafka.results_log import PositionLost, ResultsConsumer
from streaming_runtime.live.partition import LivePartition
from streaming_runtime.live.subscription import Subscription

log = logging.getLogger("millrace.live.sweep")

# Consumers that read history at the same time in one process: each may hold a fetch in memory.
CONCURRENT_SWEEPS = 4
FETCH_SECONDS = 0.5
RETRY_SECONDS = 0.25
# Between two turns everybody else runs: live results, and the readers whose queues were filled.
TURN_ENTRIES = 200
TURN_OFFERS = 100
# A reader that is not slow takes its full queue at once: to wait for that, so long for each fetch
# and no longer, costs less than another pass over the log.
PATIENCE_SECONDS = 0.02


class Slots:
    """Few sweeps read at the same time, each for one pass and no longer while others wait."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self._waiting = 0

    @property
    def are_wanted(self) -> bool:
        return self._waiting > 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold one; whoever waited longest gets the next that is free."""
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


class Sweeps:
    """Runs at most one sweep for each partition, and few at the same time."""

    def __init__(
        self,
        make_consumer: Callable[[], ResultsConsumer],
        encoder: ResultEncoder,
        bounds: Callable[[int], Awaitable[Bounds]],
    ) -> None:
        self._make_consumer = make_consumer
        self._encoder = encoder
        self._bounds = bounds
        self._slots = Slots(CONCURRENT_SWEEPS)
        self._running: dict[LivePartition, Sweep] = {}

    def serve(self, partition: LivePartition, subscription: Subscription) -> None:
        """See to it that a reader that is behind is brought on: by this pass, or else the next."""
        sweep = self._running.get(partition)
        if sweep is None:
            self._start(partition)
        elif sweep.passing is not None:
            sweep.passing.take_aboard(subscription)

    async def close(self) -> None:
        running = [sweep.task for sweep in self._running.values()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=2 * STOP_SECONDS + 1)

    def _start(self, partition: LivePartition) -> None:
        sweep = Sweep(partition, self._make_consumer, self._encoder, self._bounds, self._slots)
        sweep.task.add_done_callback(lambda _: self._ended(partition))
        self._running[partition] = sweep

    def _ended(self, partition: LivePartition) -> None:
        task = self._running.pop(partition).task
        if task.cancelled():
            return
        if (failure := task.exception()) is not None:
            log.error("a sweep failed", exc_info=failure)
            _end_behind(partition)
        elif _hungry(partition):
            # Somebody came while the sweep was closing its consumer.
            self._start(partition)


class Sweep:
    """Passes over one partition, one after the other, as long as somebody is behind."""

    def __init__(
        self,
        partition: LivePartition,
        make_consumer: Callable[[], ResultsConsumer],
        encoder: ResultEncoder,
        bounds: Callable[[int], Awaitable[Bounds]],
        slots: Slots,
    ) -> None:
        self.passing: Pass | None = None
        self._partition = partition
        self._make_consumer = make_consumer
        self._encoder = encoder
        self._bounds = bounds
        self._slots = slots
        self.task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while _hungry(self._partition):
            async with self._slots.one():
                await self._read()

    async def _read(self) -> None:
        """Pass over the partition until nobody is behind, or others wait for their turn."""
        consumer = self._make_consumer()
        try:
            await consumer.start()
            while _hungry(self._partition):
                await self._pass(consumer)
                if self._slots.are_wanted:
                    return
        except PositionLost:
            await self._lose()
        except READ_FAULTS as exc:
            log.warning("history cannot be read", extra={"reason": repr(exc)})
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            await consumer.stop()

    async def _pass(self, consumer: ResultsConsumer) -> None:
        self.passing = Pass(self._partition, consumer, self._encoder, self._slots)
        try:
            await self.passing.run()
        finally:
            self.passing.put_down()
            self.passing = None

    async def _lose(self) -> None:
        """End the readers whose position is gone, all at once: each comes back for its gap."""
        try:
            bounds = await self._bounds(self._partition.number)
        except BrokerUnavailable:
            return  # The next pass finds out.
        gone = [s for s in self._partition.behind if not _is_within(bounds, s)]
        for subscription in gone:
            subscription.lose(is_truncated=subscription.position_behind.offset > bounds.end)
        if not gone:
            # Two brokers that do not agree yet on what there is.
            await asyncio.sleep(RETRY_SECONDS)


class Pass:
    """One pass from the oldest reader's position to where the ring begins.

    Readers whose position lies ahead come aboard at once; one whose queue is full is left at its
    place and comes with a later pass, so nobody waits for anybody. What a turn costs grows with the
    results in it and their readers, not with all who are aboard: they learn where they stand when
    they ask (core.ports.Feed) or are put down.
    """

    def __init__(
        self,
        partition: LivePartition,
        consumer: ResultsConsumer,
        encoder: ResultEncoder,
        slots: Slots,
    ) -> None:
        self._partition = partition
        self._slots = slots
        self._consumer = consumer
        self._encoder = encoder
        self._once = OnceOnly()
        self._aboard: dict[str, set[Subscription]] = {}
        self._offers = 0
        # Of each stream, those who have to empty a full queue before its next result.
        self._parked: dict[str, set[Subscription]] = {}
        self._came_back = asyncio.Event()
        self._patience_seconds = PATIENCE_SECONDS
        hungry = _hungry(partition)
        self._offset = min(s.position_behind.offset for s in hungry)
        for subscription in hungry:
            self.take_aboard(subscription)

    @property
    def position(self) -> Position:
        return Position(self._offset, self._once.height)

    def take_aboard(self, subscription: Subscription) -> None:
        """Carry a reader, if its position is not behind this pass."""
        if subscription.position_behind.offset >= self._offset:
            self._aboard.setdefault(subscription.stream_id, set()).add(subscription)
            subscription.carrier = self
            if subscription in self._parked.get(subscription.stream_id, ()):
                self._parked[subscription.stream_id].discard(subscription)
                self._came_back.set()

    def put_down(self) -> None:
        """Leave everybody where the pass has come to: live, if that is where the ring begins."""
        for subscription in [s for riders in self._aboard.values() for s in riders]:
            if subscription.carrier is self:
                subscription.leave_carrier()
                if subscription in self._partition.behind:
                    self._partition.splice(subscription)
        self._aboard.clear()

    async def run(self) -> None:
        number = self._partition.number
        self._consumer.assign({number: self._offset})
        while self._offset < self._partition.ring.start and self._is_needed():
            # Few at a time: what is parsed at once holds up everybody in this process.
            fetched = await self._consumer.fetch(FETCH_SECONDS, TURN_ENTRIES)
            found = fetched.get(number)
            if found is None:
                # Markers of transactions are passed without being fetched.
                position = await self._consumer.position(number)
                if position <= self._offset and self._slots.are_wanted:
                    return  # Whoever leads this partition may be down for long: another's turn.
                self._move(position)
                continue
            self._patience_seconds = PATIENCE_SECONDS
            for entry in found.entries:
                if self._parked.get(entry.stream_id):
                    await self._wait_for_parked(entry.stream_id)
                self._hand_out(entry)
                if self._offers >= TURN_OFFERS:
                    await self._turn()
            self._move(found.next_offset)
            await self._turn()

    async def _turn(self) -> None:
        """Let everybody else run, and those who have no room make some."""
        self._offers = 0
        await asyncio.sleep(0)

    async def _wait_for_parked(self, stream_id: str) -> None:
        """Wait until all of a stream have taken their queues and are aboard, while patient."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._patience_seconds)):
                while self._parked[stream_id]:
                    self._came_back.clear()
                    await self._came_back.wait()
        self._patience_seconds -= loop.time() - began
        del self._parked[stream_id]

    def _is_needed(self) -> bool:
        return any(s.carrier is self for riders in self._aboard.values() for s in riders)

    def _hand_out(self, entry: LogEntry) -> None:
        before = Position(entry.offset, self._once.height)
        if not self._once.takes(entry):
            return
        self._offset = entry.offset + 1
        riders = self._aboard.get(entry.stream_id)
        if not riders:
            return
        result = self._encoder.encode(entry)
        self._offers += len(riders)
        for subscription in tuple(riders):
            if subscription.carrier is not self:
                riders.discard(subscription)  # It has left, or was lost.
            elif not subscription.offer(result):
                self._park(subscription, before)
            elif subscription.is_filling:
                self._park(subscription, result.position)

    def _park(self, subscription: Subscription, position: Position) -> None:
        subscription.park(position)
        self._aboard[subscription.stream_id].discard(subscription)
        self._parked.setdefault(subscription.stream_id, set()).add(subscription)

    def _move(self, offset: int) -> None:
        self._offset = max(self._offset, offset)
        self._partition.wake_waiting()


def _is_within(bounds: Bounds, subscription: Subscription) -> bool:
    return bounds.earliest <= subscription.position_behind.offset <= bounds.end


def _end_behind(partition: LivePartition) -> None:
    """Have the readers that are behind come back with their cursor."""
    for subscription in partition.behind:
        subscription.lose()


def _hungry(partition: LivePartition) -> list[Subscription]:
    return [s for s in partition.behind if not s.is_parked and not s.has_lagged]
