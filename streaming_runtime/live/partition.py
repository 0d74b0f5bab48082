"""One results partition in this process: what was read last, and who reads it."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

from streaming_runtime.core.dedupe import OnceOnly
from streaming_runtime.core.model import LogEntry, Position
from streaming_runtime.core.results import EncodedResult, ResultEncoder
from streaming_runtime.live.subscription import Subscription

RING_RESULTS = 4_096
RING_BYTES = 4 << 20
# A write costs some 20 microseconds: whoever else wants the loop waits for 2 ms at most.
PUSHES_IN_A_TURN = 100


class Ring:
    """The most recent results of a partition, found by stream.

    ``start`` is a results offset: every result at or above it that counts is in the ring.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self._results: deque[EncodedResult] = deque()
        self._by_stream: dict[str, deque[EncodedResult]] = {}
        self._bytes = 0

    def add(self, result: EncodedResult) -> None:
        self._results.append(result)
        self._by_stream.setdefault(result.entry.stream_id, deque()).append(result)
        self._bytes += result.size
        while len(self._results) > RING_RESULTS or self._bytes > RING_BYTES:
            self._forget_oldest()

    def of(self, stream_id: str, offset: int = 0) -> Iterable[EncodedResult]:
        """Return a stream's results from an offset on, at the cost of those alone."""
        results = self._by_stream.get(stream_id)
        if results is None:
            return ()
        first = bisect_left(results, offset, key=lambda result: result.entry.offset)
        return islice(results, first, None)

    def _forget_oldest(self) -> None:
        oldest = self._results.popleft()
        self._bytes -= oldest.size
        self.start = oldest.entry.offset + 1
        stream = self._by_stream[oldest.entry.stream_id]
        stream.popleft()
        if not stream:
            del self._by_stream[oldest.entry.stream_id]


class LivePartition:
    """The live end of a partition: judged once, encoded once, offered to all its readers.

    Everything here is synchronous: between two awaits of the pump no reader can be in between, so
    a reader that is spliced from the ring to live has neither hole nor repeat.
    """

    def __init__(self, number: int, position: Position, encoder: ResultEncoder) -> None:
        self.number = number
        self.next_offset = position.offset
        self.ring = Ring(position.offset)
        self.live: dict[str, set[Subscription]] = {}
        self.behind: set[Subscription] = set()
        self.idle_since = 0.0
        self._reaching: list[tuple[int, asyncio.Future[None]]] = []
        self._once = OnceOnly(position.height)
        self._encoder = encoder
        self._waiting_for_offset: set[Subscription] = set()
        self._to_push: deque[Subscription] = deque()

    @property
    def position(self) -> Position:
        return Position(self.next_offset, self._once.height)

    def feed(self, entries: Sequence[LogEntry], next_offset: int) -> None:
        """Take what the pump has read: ``next_offset`` is the offset after all of it."""
        for entry in entries:
            if entry.offset < self.next_offset or not self._once.takes(entry):
                continue
            result = self._encoder.encode(entry)
            self.ring.add(result)
            # A copy: a reader that lags leaves the set while we walk it.
            for subscription in tuple(self.live.get(entry.stream_id, ())):
                if not subscription.offer(result):
                    self._fall_behind(subscription)
        self.next_offset = max(self.next_offset, next_offset)
        if self._reaching:
            self._tell_who_waits()
        self.wake_waiting()

    def wake_waiting(self) -> None:
        """Wake the readers that look for an offset, wherever they are carried by now."""
        for subscription in tuple(self._waiting_for_offset):
            subscription.wake()

    def push_soon(self, subscription: Subscription) -> None:
        """Have a reader's results pushed once this turn is over; of many, some in each turn."""
        if not self._to_push:
            asyncio.get_running_loop().call_soon(self._push)
        self._to_push.append(subscription)

    def _push(self) -> None:
        try:
            for _ in range(min(PUSHES_IN_A_TURN, len(self._to_push))):
                self._to_push.popleft().push()
        finally:
            if self._to_push:
                asyncio.get_running_loop().call_soon(self._push)

    async def reach(self, offset: int) -> None:
        """Wait until everything before ``offset`` has been read here."""
        if self.next_offset < offset:
            reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            place = (offset, reached)
            self._reaching.append(place)
            try:
                await reached
            finally:
                # Who gives up leaves: while Kafka brings nothing, nobody else would clear up.
                if place in self._reaching:
                    self._reaching.remove(place)

    @property
    def is_waited_for(self) -> bool:
        """Say whether somebody waits for what has not been read here yet."""
        return bool(self._reaching)

    def splice(self, subscription: Subscription) -> bool:
        """Bring a reader on from the ring, and to the live end if it has room for all of it.

        Shape:  False when its position is older than the ring: it needs the log.
        """
        if subscription.position_behind.offset < self.ring.start:
            return False
        for result in self.ring.of(subscription.stream_id, subscription.position_behind.offset):
            if not subscription.offer(result):
                subscription.park()
                return True
        self.behind.discard(subscription)
        self.live.setdefault(subscription.stream_id, set()).add(subscription)
        subscription.go_live()
        return True

    def leave(self, subscription: Subscription) -> None:
        self.behind.discard(subscription)
        self._waiting_for_offset.discard(subscription)
        self._leave_live(subscription)

    def wait_for_offset(self, subscription: Subscription, waits: bool) -> None:
        """Wake a reader at each move, not only at its own results (it looks for an offset)."""
        if waits:
            self._waiting_for_offset.add(subscription)
        else:
            self._waiting_for_offset.discard(subscription)

    def readers(self) -> list[Subscription]:
        return [s for streams in self.live.values() for s in streams] + list(self.behind)

    def restart(self, position: Position) -> None:
        """Begin anew elsewhere; the readers that are here must have been told."""
        self.next_offset = position.offset
        self.ring = Ring(position.offset)
        self._once = OnceOnly(position.height)

    def _tell_who_waits(self) -> None:
        there = [place for place in self._reaching if place[0] <= self.next_offset]
        self._reaching = [place for place in self._reaching if place[0] > self.next_offset]
        for _, reached in there:
            if not reached.done():
                reached.set_result(None)

    def _fall_behind(self, subscription: Subscription) -> None:
        self._leave_live(subscription)
        self.behind.add(subscription)
        subscription.park()

    def _leave_live(self, subscription: Subscription) -> None:
        streams = self.live.get(subscription.stream_id)
        if streams is not None:
            streams.discard(subscription)
            if not streams:
                del self.live[subscription.stream_id]
