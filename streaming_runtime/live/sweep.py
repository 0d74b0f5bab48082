"""Sweeps: readers that are behind share one pass over their partition's log."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable

from streaming_runtime.core.dedupe import OnceOnly
from streaming_runtime.core.model import LogEntry, Position
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
TURN_ENTRIES = 500


class Sweeps:
    """Runs at most one sweep for each partition, and few at the same time."""

    def __init__(
        self, make_consumer: Callable[[], ResultsConsumer], encoder: ResultEncoder
    ) -> None:
        self._make_consumer = make_consumer
        self._encoder = encoder
        self._slots = asyncio.Semaphore(CONCURRENT_SWEEPS)
        self._running: dict[LivePartition, asyncio.Task[None]] = {}

    def serve(self, partition: LivePartition) -> None:
        """See to it that the partition's readers that are behind are brought on."""
        if partition not in self._running:
            task = asyncio.ensure_future(self._sweep(partition))
            self._running[partition] = task
            task.add_done_callback(lambda _: self._ended(partition))

    async def close(self) -> None:
        running = list(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=2 * STOP_SECONDS + 1)

    def _ended(self, partition: LivePartition) -> None:
        task = self._running.pop(partition)
        if task.cancelled():
            return
        if (failure := task.exception()) is not None:
            log.error("a sweep failed", exc_info=failure)
            _end_behind(partition)
        elif _hungry(partition):
            # Somebody came while the sweep was closing its consumer.
            self.serve(partition)

    async def _sweep(self, partition: LivePartition) -> None:
        async with self._slots:
            while _hungry(partition):
                consumer = self._make_consumer()
                try:
                    await consumer.start()
                    while _hungry(partition):
                        await Pass(partition, consumer, self._encoder).run()
                except PositionLost as lost:
                    _lose(partition, lost)
                except READ_FAULTS as exc:
                    log.warning("history cannot be read", extra={"reason": repr(exc)})
                    await asyncio.sleep(RETRY_SECONDS)
                finally:
                    await consumer.stop()


class Pass:
    """One pass from the oldest reader's position to where the ring begins.

    Readers whose position lies ahead join when the pass gets there; one whose queue is full is
    left at its place and comes with a later pass, so nobody waits for anybody.
    """

    def __init__(
        self, partition: LivePartition, consumer: ResultsConsumer, encoder: ResultEncoder
    ) -> None:
        self._partition = partition
        self._consumer = consumer
        self._encoder = encoder
        first = min(s.position_behind.offset for s in _hungry(partition))
        self._offset = first
        self._once = OnceOnly()

    async def run(self) -> None:
        number = self._partition.number
        self._consumer.assign({number: self._offset})
        while self._splice() and self._aboard():
            fetched = await self._consumer.fetch(FETCH_SECONDS)
            found = fetched.get(number)
            if found is None:
                # Markers of transactions are passed without being fetched.
                self._move(await self._consumer.position(number))
                continue
            for first in range(0, len(found.entries), TURN_ENTRIES):
                self._hand_out(found.entries[first : first + TURN_ENTRIES])
                await asyncio.sleep(0)
            self._move(found.next_offset)

    def _aboard(self) -> list[Subscription]:
        """The readers this pass can serve: it has not gone past their position yet."""
        return [s for s in _hungry(self._partition) if s.position_behind.offset >= self._offset]

    def _splice(self) -> bool:
        """Let those go live who can; False when the pass has reached the ring."""
        for subscription in _hungry(self._partition):
            self._partition.splice(subscription)
        return self._offset < self._partition.ring.start

    def _hand_out(self, entries: list[LogEntry]) -> None:
        by_stream: dict[str, list[Subscription]] = defaultdict(list)
        for subscription in self._aboard():
            by_stream[subscription.stream_id].append(subscription)
        for entry in entries:
            if not self._once.takes(entry):
                continue
            readers = by_stream.get(entry.stream_id)
            if not readers:
                continue
            result = self._encoder.encode(entry)
            for subscription in readers:
                if not subscription.is_parked and not subscription.offer(result):
                    subscription.park()
        if entries:
            self._move(entries[-1].offset + 1)

    def _move(self, offset: int) -> None:
        """Note that the pass stands at ``offset``: so do all aboard who took what came."""
        for subscription in self._aboard():
            subscription.pass_over(Position(offset, self._once.height))
            subscription.wake()
        self._offset = max(self._offset, offset)


def _end_behind(partition: LivePartition) -> None:
    """Have the readers that are behind come back with their cursor."""
    for subscription in partition.behind:
        subscription.has_lagged = True
        subscription.wake()


def _hungry(partition: LivePartition) -> list[Subscription]:
    return [s for s in partition.behind if not s.is_parked and not s.has_lagged]


def _lose(partition: LivePartition, lost: PositionLost) -> None:
    """End the readers whose position is gone: they come back with their cursor and get the gap."""
    for subscription in list(partition.behind):
        if subscription.position_behind.offset <= lost.offset:
            subscription.has_lagged = True
            subscription.wake()
