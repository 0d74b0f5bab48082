"""One reader's bounded queue: filled by the hub, which never waits, emptied by its connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from streaming_runtime.core.model import Position
from streaming_runtime.core.results import EncodedResult

# With what is written at once, what waits to be, and a connection's own this stays below 256 KB
# for a reader that takes nothing; before, a queue of that size made 900 KB of it.
QUEUE_RESULTS = 128
QUEUE_BYTES = 64 << 10
# Handed out at once: encoded and under way it is three times as large.
TAKEN_BYTES = 32 << 10
# A reader whose full queue nobody has emptied for this long is too slow, and is closed with its
# cursor; until then it is brought on from the ring or the log, at its own pace.
SLOW_SECONDS = 5.0
TIMER_EARLY_SECONDS = 0.001
# A cursor that stands here is beyond the end of every log: who comes back with it gets its gap.
NOWHERE = Position(1 << 62)


class Carrier(Protocol):
    """What reads the log for a reader: all before its position has been offered."""

    @property
    def position(self) -> Position: ...


class Owner(Carrier, Protocol):
    """What a subscription needs of its partition."""

    number: int

    def wait_for_offset(self, subscription: Subscription, waits: bool) -> None: ...

    def push_soon(self, subscription: Subscription) -> None:
        """Call its ``push`` once this turn is over."""


class Subscription:
    """A reader of one stream; implements core.ports.Feed.

    It is live (carried by its partition, which offers it each result), behind (carried by a sweep
    or waiting for one), or parked (behind, its queue full: it gets nothing until that is taken).
    """

    __slots__ = (
        "_bytes",
        "_is_pushing",
        "_loop",
        "_on_room",
        "_pushes",
        "_queue",
        "_slow_timer",
        "_waiter",
        "carrier",
        "has_lagged",
        "is_interrupted",
        "is_parked",
        "owner",
        "position_behind",
        "stream_id",
        "taken",
    )

    def __init__(
        self,
        stream_id: str,
        position: Position,
        owner: Owner,
        on_room: Callable[[Subscription], None],
    ) -> None:
        self.stream_id = stream_id
        self.position_behind = position
        self.taken = position
        self.carrier: Carrier | None = None
        self.is_parked = False
        self._is_pushing = False
        self.has_lagged = False
        self.is_interrupted = False
        self.owner = owner
        self._on_room = on_room
        self._pushes: Callable[[], bool] | None = None
        self._queue: deque[EncodedResult] = deque()
        self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._slow_timer: asyncio.TimerHandle | None = None

    @property
    def position(self) -> Position:
        """Everything before it has been handed out or was not this stream's."""
        if self._queue:
            return self.taken
        reached = self._reached()
        return reached if reached.offset > self.taken.offset else self.taken

    @property
    def is_live(self) -> bool:
        return self.carrier is self.owner

    def accepts(self, result: EncodedResult) -> bool:
        """Say whether a result is still before this reader, and not one it has seen."""
        if self.has_lagged:
            return False  # What came behind a hole would hide it.
        place = self.position_behind
        return result.entry.offset >= place.offset and result.entry.height > place.height

    def offer(self, result: EncodedResult) -> bool:
        """Queue a result; False if there is no room, and nothing was queued."""
        if not self.accepts(result):
            return True
        size, queue = result.size, self._queue
        if queue and (len(queue) >= QUEUE_RESULTS or self._bytes + size > QUEUE_BYTES):
            return False
        queue.append(result)
        self._bytes += size
        self.position_behind = result.position
        if self._waiter is not None and not self._is_pushing:
            self._tell_of_result()
        return True

    @property
    def is_filling(self) -> bool:
        """True if a sweep, which brings history faster than anybody reads, should hold back."""
        return len(self._queue) >= QUEUE_RESULTS or self._bytes > QUEUE_BYTES // 2

    def leave_carrier(self, before: Position | None = None) -> None:
        """Stand where it has been carried to: at ``before``, which is offered once more, if given.

        A carrier may be at its next result already when this reader has no room for one.
        """
        self.position_behind = self._reached() if before is None else self._moved_to(before)
        self.carrier = None

    def go_live(self) -> None:
        self.carrier = self.owner
        self.wake()

    def park(self, before: Position | None = None) -> None:
        self.leave_carrier(before or self.position_behind)
        self.is_parked = True
        if self._slow_timer is None:
            self._slow_timer = self._loop.call_later(SLOW_SECONDS, self._lag)

    def lose(self, is_truncated: bool = False) -> None:
        """End the reading: what comes next is gone, and its next ``begin`` tells of the gap.

        Shape:   ``is_truncated`` if the log ends before what it has read. The log may grow past
                 that again before the reader is back, and its own cursor would pass for a good one.
        """
        self.leave_carrier()  # Which is about to begin somewhere else.
        if is_truncated:
            self.position_behind = NOWHERE
        self._lag()

    def close(self) -> None:
        """Release what the reader holds; it is not used afterwards."""
        self._stop_slow_timer()
        self.carrier = None
        self._queue.clear()
        self._bytes = 0
        self._pushes = None

    def hand_over(self, push: Callable[[], bool]) -> None:
        """Have ``push`` called in place of waking who waits: it says whether it took them all."""
        self._pushes = push

    def take_now(self) -> Sequence[EncodedResult]:
        """Return what is queued, as ``take`` does; () where its taker has more to do than that."""
        queue = self._queue
        if self.has_lagged or self.is_interrupted or not queue:
            return ()
        for result in queue:
            if result.entry.kind == "end":
                return ()
        return self._taken()

    def interrupt(self) -> None:
        self.is_interrupted = True
        self.wake()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self, seconds: float, until: int | None = None) -> Sequence[EncodedResult]:
        """Return what is queued, up to TAKEN_BYTES; see core.ports.Feed."""
        if not self._queue and not self._is_over(until):
            await self._wait(seconds, until)
        return self._taken() if self._queue else ()

    def _tell_of_result(self) -> None:
        if self._pushes is None:
            self.wake()
        else:
            # What else comes in this turn leaves in the same write.
            self._is_pushing = True
            self.owner.push_soon(self)

    def push(self) -> None:
        """Hand over what is queued, or wake who waits for it."""
        self._is_pushing = False
        if self._pushes is None or self._waiter is None or not self._pushes() or self._queue:
            self.wake()

    def _taken(self) -> Sequence[EncodedResult]:
        taken = self._handed_out()
        self.taken = taken[-1].position
        if not self._queue:
            self._emptied()
        return taken

    def _handed_out(self) -> Sequence[EncodedResult]:
        size = self._queue[0].size
        taken = [self._queue.popleft()]
        while self._queue and size + self._queue[0].size <= TAKEN_BYTES:
            size += self._queue[0].size
            taken.append(self._queue.popleft())
        self._bytes -= size
        return taken

    def _emptied(self) -> None:
        self._stop_slow_timer()
        if self.is_parked and not self.has_lagged:
            self.is_parked = False
            self._on_room(self)

    def _reached(self) -> Position:
        return (
            self.position_behind if self.carrier is None else self._moved_to(self.carrier.position)
        )

    def _moved_to(self, position: Position) -> Position:
        """Return where it stands when nothing before ``position`` is its own."""
        own = self.position_behind
        if position.offset <= own.offset:
            return own
        return Position(position.offset, max(position.height, own.height))

    def _is_over(self, until: int | None) -> bool:
        is_there = until is not None and self.position.offset >= until
        return self.has_lagged or self.is_interrupted or is_there

    async def _wait(self, seconds: float, until: int | None) -> None:
        expiry = self._loop.time() + seconds
        deadline = self._loop.call_at(expiry, self.wake)
        if until is not None:
            self.owner.wait_for_offset(self, True)
        try:
            while not self._queue and not self._is_over(until):
                # A timer may be early by what the clock cannot tell, and nothing wakes us again.
                if self._loop.time() + TIMER_EARLY_SECONDS >= expiry:
                    break
                self._waiter = self._loop.create_future()
                await self._waiter
        finally:
            deadline.cancel()
            self._waiter = None
            if until is not None:
                self.owner.wait_for_offset(self, False)

    def _lag(self) -> None:
        self.has_lagged = True
        self.wake()

    def _stop_slow_timer(self) -> None:
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None
