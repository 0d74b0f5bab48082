"""What a process counts in its memory: whole limits when it is alone, else its part of them."""

from __future__ import annotations

from collections.abc import Callable

from streaming_runtime.core.lease_ledger import LeaseLedger
from streaming_runtime.core.limits import Buckets
from streaming_runtime.core.takes import BucketsBySize, size_of

Begin = Callable[[str], float]


class OwnCounts:
    """Buckets of requests by tenant, and those of further limits by their names."""

    def __init__(
        self,
        per_second: int,
        burst: int,
        clock: Callable[[], float],
        parts: int = 1,
        begin: Begin | None = None,
        begin_further: Begin | None = None,
    ) -> None:
        rate, depth = max(1, per_second // parts), max(1, burst // parts)
        self.parts = parts
        self.requests = Buckets(rate, depth, clock, begin)
        self.further = BucketsBySize(clock, begin_further, parts)


def going_on(
    per_second: int,
    burst: int,
    clock: Callable[[], float],
    ledger: LeaseLedger,
    now_ms: Callable[[], int],
) -> OwnCounts:
    """Return whole limits that go on with what the log has counted until now."""

    def level(bucket: str) -> float:
        if ledger.is_untouched(bucket):
            return burst
        return ledger.level(bucket, now_ms())

    def further(bucket: str) -> float:
        return ledger.further.balance(bucket, now_ms())

    return OwnCounts(per_second, burst, clock, 1, level, further)


def apart(
    per_second: int, burst: int, clock: Callable[[], float], parts: int, since: float | None
) -> OwnCounts:
    """Return a part of each limit; it began empty at a moment, if one is named."""
    if since is None:
        return OwnCounts(per_second, burst, clock, parts)

    def begin(rate: int, depth: int) -> float:
        # What there was may be in the hands of others: what has come since is not.
        return min(max(1, depth // parts), (clock() - since) * max(1, rate // parts))

    def requests(_: str) -> float:
        return begin(per_second, burst)

    def further(bucket: str) -> float:
        return begin(*size_of(bucket))

    return OwnCounts(per_second, burst, clock, parts, requests, further)
