"""One reader's bounded queue: filled by the hub, which never waits, emptied by its connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from streaming_runtime.core.model import Position
from streaming_runtime.core.results import EncodedResult

QUEUE_RESULTS = 1_000
QUEUE_BYTES = 256 << 10
# A reader whose full queue nobody has emptied for this long is too slow, and is closed with its
# cursor; until then it is brought on from the ring or the log, at its own pace.
SLOW_SECONDS = 5.0


class Owner(Protocol):
    """What a subscription needs of its partition."""

    number: int

    @property
    def position(self) -> Position: ...

    def wait_for_offset(self, subscription: Subscription, waits: bool) -> None: ...


class Subscription:
    """A reader of one stream; implements core.ports.Feed.

    It is live (the hub offers it each result), behind (a sweep or the ring brings it on), or
    parked (behind, with a full queue: nothing is offered until it is half empty again).
    """

    __slots__ = (
        "_bytes",
        "_loop",
        "_on_room",
        "_queue",
        "_slow_timer",
        "_waiter",
        "has_lagged",
        "is_interrupted",
        "is_live",
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
        self.is_live = False
        self.is_parked = False
        self.has_lagged = False
        self.is_interrupted = False
        self.owner = owner
        self._on_room = on_room
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
        reached = self.owner.position if self.is_live else self.position_behind
        return reached if reached.offset > self.taken.offset else self.taken

    def accepts(self, result: EncodedResult) -> bool:
        """Say whether a result is still before this reader, and not one it has seen."""
        place = self.position_behind
        return result.entry.offset >= place.offset and result.entry.height > place.height

    def offer(self, result: EncodedResult) -> bool:
        """Queue a result; False if there is no room, and nothing was queued."""
        if not self.accepts(result):
            return True
        size = result.size
        if self._queue and (len(self._queue) >= QUEUE_RESULTS or self._bytes + size > QUEUE_BYTES):
            return False
        self._queue.append(result)
        self._bytes += size
        self.position_behind = result.position
        self.wake()
        return True

    def pass_over(self, position: Position) -> None:
        """Note that nothing before ``position`` is this stream's."""
        if position.offset > self.position_behind.offset:
            height = max(position.height, self.position_behind.height)
            self.position_behind = Position(position.offset, height)

    def go_live(self) -> None:
        self.is_live = True
        self.wake()

    def park(self) -> None:
        self.is_live = False
        self.is_parked = True
        if self._slow_timer is None:
            self._slow_timer = self._loop.call_later(SLOW_SECONDS, self._lag)

    def close(self) -> None:
        """Release what the reader holds; it is not used afterwards."""
        self._stop_slow_timer()
        self._queue.clear()
        self._bytes = 0

    def interrupt(self) -> None:
        self.is_interrupted = True
        self.wake()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self, seconds: float, until: int | None = None) -> Sequence[EncodedResult]:
        """Return what is queued, waiting up to ``seconds``; see core.ports.Feed."""
        if not self._queue and not self._is_over(until):
            await self._wait(seconds, until)
        if not self._queue:
            return ()
        taken = tuple(self._queue)
        self._queue.clear()
        self._bytes = 0
        self.taken = taken[-1].position
        self._stop_slow_timer()
        if self.is_parked and not self.has_lagged:
            self.is_parked = False
            self._on_room(self)
        return taken

    def _is_over(self, until: int | None) -> bool:
        is_there = until is not None and self.position.offset >= until
        return self.has_lagged or self.is_interrupted or is_there

    async def _wait(self, seconds: float, until: int | None) -> None:
        deadline = self._loop.call_later(seconds, self._time_over)
        if until is not None:
            self.owner.wait_for_offset(self, True)
        expiry = self._loop.time() + seconds
        try:
            while not self._queue and not self._is_over(until) and self._loop.time() < expiry:
                self._waiter = self._loop.create_future()
                await self._waiter
        finally:
            deadline.cancel()
            self._waiter = None
            if until is not None:
                self.owner.wait_for_offset(self, False)

    def _time_over(self) -> None:
        self.wake()

    def _lag(self) -> None:
        self.has_lagged = True
        self.wake()

    def _stop_slow_timer(self) -> None:
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None
