"""Further limits beside that of requests: each off unless asked for, of all processes together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from streaming_runtime.core.errors import StreamingError
from streaming_runtime.core.limits import Verdict
from streaming_runtime.core.principals import Principal, Scope
from streaming_runtime.core.takes import OwnTakes, SharedTakes, Take, bucket_of

Dimension = Literal["records", "bytes", "starts", "stream", "reconnects"]
DIMENSIONS: Final[tuple[Dimension, ...]] = ("records", "bytes", "starts", "stream", "reconnects")
# A bucket holds what flows in during two seconds, as that of requests does unless it is told.
BURST_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class FurtherRates:
    """What each tenant may do in a second, and one of its streams; 0 is no limit."""

    records: int = 0
    bytes: int = 0
    starts: int = 0
    stream: int = 0
    reconnects: int = 0


NO_FURTHER: Final = FurtherRates()


class Wanted(NamedTuple):
    """So many tokens of one limit, by its name and its size."""

    name: str
    per_second: int
    burst: int
    whose: str
    tokens: int = 1

    @property
    def take(self) -> Take:
        return Take(bucket_of(self.name, self.per_second, self.burst, self.whose), self.tokens)


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
    """What is limited beside the requests of a tenant, and the requests of keys that say so.

    Shape:   counted in ``shared``, and in this process alone where there is no such thing or where
             it cannot be asked.
    """

    def __init__(
        self, rates: FurtherRates, clock: Callable[[], float], shared: SharedTakes | None = None
    ) -> None:
        self._own = OwnTakes(clock)
        self._shared = shared or self._own
        self._rates = {name: rate for name in DIMENSIONS if (rate := getattr(rates, name))}

    def has(self, *dimensions: Dimension) -> bool:
        """Say whether one of these is on."""
        return any(dimension in self._rates for dimension in dimensions)

    async def of_request(
        self, principal: Principal, scope: Scope, stream_id: str | None
    ) -> list[Counted]:
        """Count one request for its key, and for its stream or as a start."""
        wanted = self._of_key(principal)
        if stream_id is not None:
            wanted += self._of("stream", f"{principal.tenant}/{stream_id}")
        elif scope == "start":
            wanted += self._of("starts", principal.tenant)
        return await self._taken(wanted)

    async def of_data(self, tenant: str, records: int, size: int) -> list[Counted]:
        """Count records and their bytes."""
        wanted = self._of("records", tenant, records) + self._of("bytes", tenant, size)
        return await self._taken(wanted)

    async def of_reader(self, tenant: str) -> list[Counted]:
        """Count a reader that comes, or comes back."""
        return await self._taken(self._of("reconnects", tenant))

    async def _taken(self, wanted: Sequence[Wanted]) -> list[Counted]:
        """Take all, or nothing: of those that are on, up to the first that refuses."""
        if not wanted:
            return []
        takes = [each.take for each in wanted]
        try:
            verdicts = await self._shared.take_all(takes)
        except StreamingError:
            # What keeps the counts is no reason to refuse anybody.
            verdicts = await self._own.take_all(takes)
        return [
            Counted(each.name, each.per_second + each.burst, verdict)
            for each, verdict in zip(wanted, verdicts, strict=False)
        ]

    def _of(self, dimension: Dimension, whose: str, tokens: int = 1) -> list[Wanted]:
        rate = self._rates.get(dimension)
        return [Wanted(dimension, rate, BURST_SECONDS * rate, whose, tokens)] if rate else []

    @staticmethod
    def _of_key(principal: Principal) -> list[Wanted]:
        rate = principal.per_second
        if not rate or not principal.key_id:
            return []
        return [Wanted("key", rate, principal.burst or BURST_SECONDS * rate, principal.key_id)]
