"""Further limits beside that of requests: counted in this process, each off unless asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from streaming_runtime.core.limits import Buckets, TokenBucket, Verdict
from streaming_runtime.core.principals import Principal

Dimension = Literal["records", "bytes", "starts", "stream", "reconnects"]
# A bucket holds what flows in during two seconds, as that of requests does unless it is told.
BURST_SECONDS: Final = 2
MOST_KEYS: Final = 10_000


@dataclass(frozen=True, slots=True)
class FurtherRates:
    """What each tenant may do in a second, and one of its streams; 0 is no limit."""

    records: int = 0
    bytes: int = 0
    starts: int = 0
    stream: int = 0
    reconnects: int = 0


NO_FURTHER: Final = FurtherRates()


class Take(NamedTuple):
    """So many tokens of one bucket of a dimension."""

    dimension: Dimension
    bucket: str
    tokens: int = 1


class Counted(NamedTuple):
    """What one limit says to a request."""

    name: str
    quota: int
    verdict: Verdict

    @property
    def policy(self) -> str:
        """Its part of the RateLimit-Policy header: the most that any second can admit."""
        return f'"{self.name}";q={self.quota};w=1'

    @property
    def state(self) -> str:
        """Its part of the RateLimit header."""
        return f'"{self.name}";r={self.verdict.remaining};t={self.verdict.reset_seconds}'


class FurtherLimits:
    """The buckets of every dimension that is on, and those of keys with a limit of their own."""

    def __init__(self, rates: FurtherRates, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._quotas: dict[str, int] = {}
        self._buckets: dict[str, Buckets] = {}
        for name in ("records", "bytes", "starts", "stream", "reconnects"):
            if rate := getattr(rates, name):
                burst = BURST_SECONDS * rate
                self._quotas[name] = rate + burst
                self._buckets[name] = Buckets(rate, burst, clock)
        self._keys: dict[str, tuple[int, int, TokenBucket]] = {}

    def has(self, *dimensions: Dimension) -> bool:
        """Say whether one of these is on."""
        return any(dimension in self._buckets for dimension in dimensions)

    def take(self, wanted: Sequence[Take]) -> list[Counted]:
        """Take of several buckets if all of them have it, else of none.

        Shape:   one for each dimension that is on, up to the first that refuses.
        """
        told: list[Counted] = []
        taken: list[Take] = []
        for take in wanted:
            if (buckets := self._buckets.get(take.dimension)) is None:
                continue
            verdict = buckets.take(take.bucket, take.tokens)
            told.append(Counted(take.dimension, self._quotas[take.dimension], verdict))
            if not verdict.is_admitted:
                for earlier in taken:
                    self._buckets[earlier.dimension].give_back(earlier.bucket, earlier.tokens)
                break
            taken.append(take)
        return told

    def take_of_key(self, principal: Principal) -> Counted | None:
        """Count one request for the key it came with; None if that has no limit of its own."""
        rate, key_id, now = principal.per_second, principal.key_id, self._clock()
        if not rate or not key_id:
            return None
        burst = principal.burst or BURST_SECONDS * rate
        known = self._keys.pop(key_id, None)
        if known is None or known[:2] != (rate, burst):
            known = rate, burst, TokenBucket(rate, burst, now)
        # The least recently used is the first, and forgotten first.
        self._keys[key_id] = known
        if len(self._keys) > MOST_KEYS:
            del self._keys[next(iter(self._keys))]
        return Counted("key", rate + burst, known[2].take(1, now))
