"""How far a log has been read, and who waits for it to be read further."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush


class Watermark:
    """The next offset to read; waiters for one offset share an event, whatever their number."""

    def __init__(self) -> None:
        self.offset = 0
        self._events: dict[int, asyncio.Event] = {}
        self._waited_for: list[int] = []

    async def reach(self, offset: int) -> None:
        """Wait until everything before ``offset`` has been read; the deadline is the caller's."""
        if self.offset >= offset:
            return
        event = self._events.get(offset)
        if event is None:
            event = self._events[offset] = asyncio.Event()
            heappush(self._waited_for, offset)
        await event.wait()

    def move(self, offset: int) -> None:
        """Note that everything before ``offset`` has been read."""
        self.offset = offset
        while self._waited_for and self._waited_for[0] <= offset:
            self._events.pop(heappop(self._waited_for)).set()
