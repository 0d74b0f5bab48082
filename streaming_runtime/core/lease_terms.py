"""A limit as it is leased, in slots: a slot is the time that one token takes to flow in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HOLD_MS: Final = 500
# Below this a lease is over before it has come back.
SHORTEST_HOLD_MS: Final = 50


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """A limit, as it is leased.

    Units:  ``hold_ms`` is for how long what was granted ahead may be used, 0 for nothing ahead.
    """

    per_second: int
    burst: int
    capacity: int
    hold_ms: int

    @classmethod
    def of(cls, per_second: int, burst: int) -> LeaseTerms:
        # At most a quarter of the bucket is out of reach because it may be held somewhere.
        hold_ms = min(HOLD_MS, burst * 1_000 // (4 * per_second))
        if hold_ms < SHORTEST_HOLD_MS:
            hold_ms = 0
        return cls(per_second, burst, max(1, burst - 1), hold_ms)

    def slot(self, at_ms: int) -> int:
        """Return how many tokens have flowed in since 1970."""
        return at_ms * self.per_second // 1_000
