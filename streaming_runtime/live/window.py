"""What may be under way for one connection at a time, by number and by bytes."""

from __future__ import annotations

import asyncio


class Window:
    """Bounds what is under way; one task enters, another leaves."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._count = 0
        self._bytes = 0
        self._room = asyncio.Event()

    async def enter(self, size: int) -> None:
        """Wait until there is room, and take it; what is larger than all of it enters alone."""
        while self._is_full_for(size):
            self._room.clear()
            await self._room.wait()
        self._count += 1
        self._bytes += size

    def leave(self, size: int) -> None:
        self._count -= 1
        self._bytes -= size
        self._room.set()

    def _is_full_for(self, size: int) -> bool:
        is_over = self._bytes + size > self._most_bytes
        return self._count >= self._most or (is_over and self._count > 0)
