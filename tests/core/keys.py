"""The ports of keyed sends in memory: one log of claims, as any number of replicas see it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from streaming_runtime.core.idempotency import KEPT_MS, TAKEOVER_MS
from streaming_runtime.core.model import Stream
from streaming_runtime.core.ports import Claim, Ends
from tests.core.memory import MemorySink


class Shared:
    """What the replicas share: the claim of each key, who made it, and the time."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.claims: dict[bytes, Claim] = {}
        self.owners: dict[int, MemoryClaims] = {}
        self.left: set[int] = set()
        self.places = 0


class MemoryClaims:
    """Implements core.ports.KeyClaims; what is shared is known everywhere at once."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._answers: dict[int, tuple[int | None, ...]] = {}
        self.failures: list[BaseException] = []
        self.before_claim: Callable[[], None] = lambda: None
        self.is_blind = False

    async def find(self, use: bytes) -> Claim | None:
        return None if self.is_blind else self._known(use)

    async def find_latest(self, use: bytes) -> Claim | None:
        return self._known(use)

    async def claim(self, use: bytes, digest: bytes, ends: Ends, over: Claim | None) -> Claim:
        if self.failures:
            raise self.failures.pop(0)
        self.before_claim()
        await asyncio.sleep(0)
        standing = self._known(use)
        if standing is not None and not self._gives_way(standing, digest, over):
            return standing
        shared = self._shared
        shared.places += 1
        shared.claims[use] = Claim(shared.places, digest, ends, shared.now_ms)
        shared.owners[shared.places] = self
        return shared.claims[use]._replace(is_mine=True)

    async def keep(self, use: bytes, claim: Claim, offsets: tuple[int | None, ...]) -> None:
        self._answers[claim.place] = offsets

    async def release(self, use: bytes, claim: Claim, *, is_unused: bool) -> None:
        standing = self._shared.claims.get(use)
        if standing is not None and standing.place == claim.place:
            if is_unused:
                del self._shared.claims[use]
            else:
                self._shared.left.add(claim.place)

    def _known(self, use: bytes) -> Claim | None:
        claim = self._shared.claims.get(use)
        if claim is None or claim.at + KEPT_MS <= self._shared.now_ms:
            return None
        is_ours = self._shared.owners[claim.place] is self
        is_old = claim.at + TAKEOVER_MS <= self._shared.now_ms
        is_open = is_ours or is_old or claim.place in self._shared.left
        return claim._replace(is_open=is_open, offsets=self._answers.get(claim.place))

    def _gives_way(self, standing: Claim, digest: bytes, over: Claim | None) -> bool:
        is_named = over is not None and over.place == standing.place
        return is_named and standing.is_open and digest == standing.digest


class MemoryInput:
    """Implements core.ports.InputLog over a memory sink."""

    def __init__(self, sink: MemorySink) -> None:
        self._sink = sink
        self.looks = 0
        self.sees_nothing = False

    async def ends(self, partition: int) -> Ends:
        return Ends(len(self._sink.records), 7)

    async def landed(self, stream: Stream, names: Collection[str], claim: Claim) -> dict[str, int]:
        self.looks += 1
        found: dict[str, int] = {}
        for offset, record in enumerate(self._sink.records):
            name = record.idempotency_key
            if offset >= claim.ends.input and name in names and not self.sees_nothing:
                assert name is not None
                found.setdefault(name, offset)
        return found
