"""Token buckets: how much a tenant may do, decided without waiting."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice
from typing import Final, NamedTuple

# Tenants may be named by tokens, and streams by anybody.
MOST_BUCKETS: Final = 10_000


class Verdict(NamedTuple):
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

    def __init__(
        self, per_second: int, burst: int, now: float, tokens: float | None = None
    ) -> None:
        self._rate = per_second
        self._burst = burst
        self._tokens = float(burst if tokens is None else min(burst, tokens))
        self._updated = now

    def level(self, now: float) -> float:
        """Return how many tokens it holds at a moment that is not before the last take."""
        return min(self._burst, self._tokens + (now - self._updated) * self._rate)

    def is_full(self, now: float) -> bool:
        """Say whether nothing need be remembered of it."""
        return self.level(now) >= self._burst

    def take(self, count: int, now: float) -> Verdict:
        """Take ``count`` tokens if all are there, else none."""
        burst = self._burst
        tokens = self._tokens + (now - self._updated) * self._rate
        if tokens > burst:
            tokens = float(burst)
        self._updated = now
        needed = count if count < burst else burst
        admitted = tokens >= needed
        self._tokens = tokens = tokens - count if admitted else tokens
        remaining = int(tokens) if tokens > 0 else 0
        if admitted and self._rate > 1 and 0 <= tokens < burst:
            # The way of nearly all requests: the next token is there within a second.
            return Verdict(True, remaining, 1, 0)
        wait = 0 if admitted else self._seconds_until(needed)
        reset = 0 if remaining == burst else self._seconds_until(remaining + 1)
        return Verdict(admitted, remaining, reset, wait)

    def give_back(self, count: int) -> None:
        """Take back a take: what it was for did not happen."""
        self._tokens = min(self._burst, self._tokens + count)

    def _seconds_until(self, tokens: int) -> int:
        # Rounded up, and one millisecond more: a request after Retry-After must succeed.
        return math.ceil((tokens - self._tokens) / self._rate + 0.001)


class Buckets:
    """Buckets of one size by name, made when they are first asked, in a bounded number.

    Shape:   ``begin`` gives what a new one holds; a full one is none that need be remembered.
    """

    def __init__(
        self,
        per_second: int,
        burst: int,
        clock: Callable[[], float],
        begin: Callable[[str], float] | None = None,
        most: int = MOST_BUCKETS,
    ) -> None:
        self._rate = per_second
        self._burst = burst
        self._clock = clock
        self._begin = begin
        self._most = most
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, name: str, count: int = 1) -> Verdict:
        """Take ``count`` tokens of one bucket if all are there, else none."""
        now = self._clock()
        bucket = self._buckets.get(name) or self._made(name, now)
        return bucket.take(count, now)

    def give_back(self, name: str, count: int) -> None:
        """Undo a take that was admitted."""
        if (bucket := self._buckets.get(name)) is not None:
            bucket.give_back(count)

    def size_of(self, name: str) -> tuple[int, int]:
        """Return how much flows into a bucket in a second, and how much it holds."""
        return self._rate, self._burst

    def lacking(self) -> dict[str, float]:
        """Return the level of every bucket that is not full."""
        now = self._clock()
        return {n: b.level(now) for n, b in self._buckets.items() if not b.is_full(now)}

    def _made(self, name: str, now: float) -> TokenBucket:
        if len(self._buckets) >= self._most:
            self._make_room(now)
        tokens = None if self._begin is None else self._begin(name)
        rate, burst = self.size_of(name)
        bucket = self._buckets[name] = TokenBucket(rate, burst, now, tokens)
        return bucket

    def _make_room(self, now: float) -> None:
        """Forget those that are full, else the half that was made first."""
        buckets = self._buckets
        kept = {name: b for name, b in buckets.items() if not b.is_full(now)}
        if len(kept) >= self._most:
            kept = dict(islice(kept.items(), self._most // 2, None))
        self._buckets = kept


class TenantLimits:
    """One bucket and one count of open readers for each tenant, in this process."""

    def __init__(
        self, per_second: int, burst: int, readers: int, clock: Callable[[], float]
    ) -> None:
        self._rate = per_second
        self._burst = burst
        self._readers = readers
        self._buckets = Buckets(per_second, burst, clock)
        # The RateLimit-Policy header: a full bucket, and what comes in during a second: of all
        # windows the one whose quota a bucket never exceeds.
        # Source: draft-ietf-httpapi-ratelimit-headers-11, section 3.
        self.policy = f'"requests";q={burst + per_second};w=1'
        self._open: dict[str, int] = {}

    @property
    def readers_policy(self) -> str:
        """The RateLimit-Policy header of a reader that is refused."""
        return f'"readers";q={self._readers}'

    @staticmethod
    def state(verdict: Verdict) -> str:
        """The RateLimit header of one answer; Retry-After never names an earlier moment."""
        _, remaining, reset_seconds, _ = verdict
        return f'"requests";r={remaining};t={reset_seconds}'

    def take(self, tenant: str, count: int = 1) -> Verdict | None:
        """Ask for ``count`` requests of ``tenant``; None when the limit is off."""
        if not self._rate:
            return None
        return self._buckets.take(tenant, count)

    def open_reader(self, tenant: str) -> bool:
        """Count one more open reader, unless the tenant has its fill. Pairs with close_reader."""
        count = self._open.get(tenant, 0)
        if self._readers and count >= self._readers:
            return False
        self._open[tenant] = count + 1
        return True

    def close_reader(self, tenant: str) -> None:
        self._open[tenant] -= 1
        if not self._open[tenant]:
            del self._open[tenant]


class OwnReaders:
    """Implements core.ports.SharedReaders in this process alone."""

    def __init__(self, limits: TenantLimits) -> None:
        self._limits = limits

    async def open(self, tenant: str) -> bool:
        return self._limits.open_reader(tenant)

    def close(self, tenant: str) -> None:
        self._limits.close_reader(tenant)
