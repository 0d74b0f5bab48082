"""The end of connections whose key was revoked, or expires sooner than when they were opened."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from streaming_runtime.core.errors import StreamingError
from streaming_runtime.live.connections import Connections

# With the time in which a change is known everywhere this stays within 60 s.
LOOK_SECONDS = 5.0
AT_ONCE = 32


class Revocations:
    """Looks again and again whether the keys of open connections still count.

    Shape:  ``counts`` tells it of the id of a key.
    """

    def __init__(self, connections: Connections, counts: Callable[[str], Awaitable[bool]]) -> None:
        self._connections = connections
        self._counts = counts

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Have every connection closed whose key does not count any more."""
        by_key = self._connections.by_key()
        all_ids = list(by_key)
        for first in range(0, len(all_ids), AT_ONCE):
            key_ids = all_ids[first : first + AT_ONCE]
            found = await asyncio.gather(*map(self._has_ended, key_ids))
            for key_id, has_ended in zip(key_ids, found, strict=True):
                for connection in by_key[key_id] if has_ended else ():
                    connection.leave("revoked")

    async def _has_ended(self, key_id: str) -> bool:
        try:
            return not await self._counts(key_id)
        except StreamingError:
            return False  # Nobody can tell now: it is asked again soon.
