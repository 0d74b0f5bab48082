"""Token buckets: how much a tenant may do, decided without waiting."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the bucket says to one request.

    Units:   whole seconds: ``retry_after_seconds`` is 0 when admitted; ``reset_seconds`` is the
             time until there is more than ``remaining``, 0 when the bucket is full.
    """

    is_admitted: bool
    remaining: int
    reset_seconds: int
    retry_after_seconds: int


class TokenBucket:
    """Admits ``per_second`` on average and at most ``burst`` at once.

    Within any window of w seconds it admits at most ``burst + w * per_second``. A count above
    ``burst`` needs a full bucket and leaves a debt, or it could never pass.
    """

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, per_second: int, burst: int, now: float) -> None:
        self._rate = per_second
        self._burst = burst
        self._tokens = float(burst)
        self._updated = now

    def take(self, count: int, now: float) -> Verdict:
        """Take ``count`` tokens if all are there, else none."""
        self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
        self._updated = now
        needed = min(count, self._burst)
        admitted = self._tokens >= needed
        if admitted:
            self._tokens -= count
        remaining = max(0, math.floor(self._tokens))
        wait = 0 if admitted else self._seconds_until(needed)
        reset = 0 if remaining == self._burst else self._seconds_until(remaining + 1)
        return Verdict(admitted, remaining, reset, wait)

    def _seconds_until(self, tokens: int) -> int:
        # Rounded up, and one millisecond more: a request after Retry-After must succeed.
        return math.ceil((tokens - self._tokens) / self._rate + 0.001)


class TenantLimits:
    """One bucket and one count of open readers for each tenant, in this process."""

    def __init__(
        self, per_second: int, burst: int, readers: int, clock: Callable[[], float]
    ) -> None:
        self._rate = per_second
        self._burst = burst
        self._readers = readers
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}
        self._open: dict[str, int] = {}

    @property
    def policy(self) -> str:
        """The RateLimit-Policy header: the most that any second can admit.

        Shape:   a full bucket, and what comes in during that second: of all windows the one whose
                 quota a bucket never exceeds.
        Source:  draft-ietf-httpapi-ratelimit-headers-11, section 3.
        """
        return f'"requests";q={self._burst + self._rate};w=1'

    @property
    def readers_policy(self) -> str:
        """The RateLimit-Policy header of a reader that is refused."""
        return f'"readers";q={self._readers}'

    @staticmethod
    def state(verdict: Verdict) -> str:
        """The RateLimit header of one answer; Retry-After never names an earlier moment."""
        return f'"requests";r={verdict.remaining};t={verdict.reset_seconds}'

    def take(self, tenant: str, count: int = 1) -> Verdict | None:
        """Ask for ``count`` requests of ``tenant``; None when the limit is off."""
        if not self._rate:
            return None
        bucket = self._buckets.get(tenant)
        if bucket is None:
            # Tenants come from the configuration, so the number of buckets has a bound.
            bucket = TokenBucket(self._rate, self._burst, self._clock())
            self._buckets[tenant] = bucket
        return bucket.take(count, self._clock())

    def open_reader(self, tenant: str) -> bool:
        """Count one more open reader, unless the tenant has its fill. Pairs with close_reader."""
        count = self._open.get(tenant, 0)
        if self._readers and count >= self._readers:
            return False
        self._open[tenant] = count + 1
        return True

    def close_reader(self, tenant: str) -> None:
        self._open[tenant] -= 1
