"""How much a process holds for Kafka: bounded, so that an outage fills no memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from streaming_runtime.core.errors import Overloaded

MAX_RECORDS = 20_000
# One request carries a batch of each partition; a broker takes no request above 100 MiB.
MAX_BYTES = 64 << 20


class Place(NamedTuple):
    """Somebody in the line of those who wait for room."""

    records: int
    size: int
    turn: asyncio.Future[None]

    @property
    def was_let_in(self) -> bool:
        return self.turn.done() and not self.turn.cancelled()


class Load:
    """Records and bytes that have been taken and have no outcome yet."""

    def __init__(self, max_records: int = MAX_RECORDS, max_bytes: int = MAX_BYTES) -> None:
        self.records = 0
        self.bytes = 0
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._coming_records = 0
        self._coming_bytes = 0
        self._waiting: deque[Place] = deque()

    def take(self, size: int) -> None:
        """Count a record.

        Raises:  Overloaded, and nothing was counted.
        """
        if self.records >= self._max_records or self.bytes + size > self._max_bytes:
            raise Overloaded
        self.records += 1
        self.bytes += size

    def take_some(self, sizes: Sequence[int]) -> int:
        """Count as many records as there is room for, from the first on; return how many."""
        for taken, size in enumerate(sizes):
            try:
                self.take(size)
            except Overloaded:
                return taken
        return len(sizes)

    def release(self, records: int, size: int) -> None:
        self.records -= records
        self.bytes -= size
        if self._waiting:
            self._let_in()

    async def room(self, records: int, size: int, seconds: float) -> None:
        """Wait, in turn, until half of what may be held is free.

        For lines, which come without end: they leave the other half to whoever sends one record.
        What takes the room must begin in the turn of the loop behind this.

        Raises:  Overloaded after so many seconds.
        """
        loop = asyncio.get_running_loop()
        place = Place(records, size, loop.create_future())
        self._waiting.append(place)
        self._let_in()
        try:
            async with asyncio.timeout(None if place.turn.done() else seconds):
                await place.turn
        except TimeoutError:
            if not place.was_let_in:
                raise Overloaded from None
        finally:
            if place.was_let_in:
                # One turn of the loop later the task that takes it has run for the first time.
                loop.call_soon(loop.call_soon, self._has_come, place)
            else:
                self._waiting.remove(place)
                self._let_in()  # Those behind it may ask for less.

    def _let_in(self) -> None:
        while self._waiting and self._is_half_free:
            place = self._waiting[0]
            if place.turn.done():
                return  # It gives up, and leaves the line in this turn.
            self._waiting.popleft()
            self._coming_records += place.records
            self._coming_bytes += place.size
            place.turn.set_result(None)

    def _has_come(self, place: Place) -> None:
        self._coming_records -= place.records
        self._coming_bytes -= place.size
        self._let_in()

    @property
    def _is_half_free(self) -> bool:
        records, size = self.records + self._coming_records, self.bytes + self._coming_bytes
        return records <= self._max_records // 2 and size <= self._max_bytes // 2
