"""Whether the process stood still: what it is connected to may have gone without a word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

# Far below the 350 s after which load balancers forget a connection, and above what a busy loop or
# a quick succession of calls of a function ever leaves between two looks.
STALE_SECONDS = 30.0
LOOK_SECONDS = 1.0


class Freshness:
    """Counts the times at which the process did not run for STALE_SECONDS or more.

    A function is frozen between two calls, a machine suspended, a process stopped. Brokers and load
    balancers forget its connections meanwhile, and the first to notice would be a client, after a
    deadline. Who keeps a connection notes ``count()`` when it opens it, and trusts it only
    while that is the same.

    Two clocks are looked at: in a suspended machine the steady one may stand still with the rest.
    """

    def __init__(
        self,
        steady: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._steady, self._wall = steady, wall
        self._standstills = 0
        self._seen = steady(), wall()

    def count(self) -> int:
        """Look at the clocks, and return how many there were, one that has just ended included."""
        now = self._steady(), self._wall()
        if max(now[0] - self._seen[0], now[1] - self._seen[1]) >= STALE_SECONDS:
            self._standstills += 1
        self._seen = now
        return self._standstills

    async def watch(self) -> None:
        """Look again and again: a process that has nothing to do does not stand still."""
        while True:
            self.count()
            await asyncio.sleep(LOOK_SECONDS)
