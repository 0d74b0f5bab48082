"""New readers of this process: as many a second as it can open without delaying those it has."""

from __future__ import annotations

import math
from collections.abc import Callable

from streaming_runtime.core.errors import Overloaded
from streaming_runtime.core.limits import TokenBucket

# Measured: one core opens 1,000 to 1,500 readers a second and does nothing else.
PER_SECOND = 500
# A page of a thousand readers that reload, and a replica's share in an everyday deploy.
BURST = 2_000
MAX_WAIT_SECONDS = 30.0


class Arrivals:
    """Admits new readers; who is refused is given a place in the time to come.

    Each refusal books the next free moment, so that a storm comes back at the rate it is let in,
    and not together.
    """

    def __init__(
        self, clock: Callable[[], float], per_second: int = PER_SECOND, burst: int = BURST
    ) -> None:
        self._clock = clock
        self._rate = per_second
        self._bucket = TokenBucket(per_second, burst, clock())
        self._booked = clock()

    def admit(self) -> None:
        """Count a new reader in.

        Raises:  Overloaded, with Retry-After.
        """
        now = self._clock()
        if self._bucket.take(1, now).is_admitted:
            return
        self._booked = min(max(self._booked, now) + 1 / self._rate, now + MAX_WAIT_SECONDS)
        refusal = Overloaded("Many readers are coming back at once: this one may in a moment")
        refusal.headers["Retry-After"] = str(math.ceil(self._booked - now))
        raise refusal
