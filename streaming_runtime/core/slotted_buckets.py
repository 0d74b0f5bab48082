"""Buckets of a log whose names tell their sizes: each is the slot at which it is full again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from streaming_runtime.core.lease_terms import LeaseTerms
from streaming_runtime.core.limits import Verdict
from streaming_runtime.core.takes import Take, size_of

MOST_BUCKETS: Final = 10_000


class SlottedBuckets:
    """The same for all who read one log, as long as they read the same of it.

    Shape:   ``empty_at_ms`` is when all were empty of which nothing else is known, None if full.
    """

    def __init__(self) -> None:
        self.empty_at_ms: int | None = None
        self._full_at: dict[str, int] = {}
        self._most = MOST_BUCKETS

    def begin(self, empty_at_ms: int | None) -> None:
        """Forget everything; buckets were empty at this moment, None if all are full."""
        self._full_at.clear()
        self.empty_at_ms = empty_at_ms

    def take_over(self, left: Mapping[str, int], empty_at_ms: int | None, now_ms: int) -> None:
        """Go on with what was in buckets that were kept in memory."""
        self.begin(empty_at_ms)
        for bucket, tokens in left.items():
            self._full_at[bucket] = _empty_slot(_terms(bucket), now_ms) - tokens

    def take_all(self, takes: Sequence[Take], now_ms: int) -> bool:
        """Take of all buckets, or of none; say which."""
        places: dict[str, int] = {}
        for bucket, tokens in takes:
            terms = _terms(bucket)
            slot = terms.slot(now_ms)
            full_at = places.get(bucket, self._full(bucket, slot))
            if slot < _wanted_slot(terms, tokens, full_at):
                return False
            places[bucket] = max(full_at, slot) + tokens
        self._full_at |= places
        if len(self._full_at) > self._most:
            # What is full need not be remembered; and one look for many takes is enough.
            self._full_at = self._lacking(now_ms)
            self._most = max(MOST_BUCKETS, 2 * len(self._full_at))
        return True

    def level(self, bucket: str, at_ms: int) -> int:
        """Return how many tokens a bucket holds at a moment."""
        terms = _terms(bucket)
        slot = terms.slot(at_ms)
        return max(0, min(terms.capacity, slot + terms.capacity - self._full(bucket, slot)))

    def ms_until(self, take: Take, at_ms: int) -> int:
        """Return how long it takes until a bucket has what is wanted, if nobody takes any."""
        terms = _terms(take.bucket)
        wanted = _wanted_slot(terms, take.tokens, self._full(take.bucket, terms.slot(at_ms)))
        # The first millisecond whose slot is the wanted one.
        return max(0, -(-wanted * 1_000 // terms.per_second) - at_ms)

    def is_untouched(self, bucket: str) -> bool:
        """Say whether a bucket was full, and nothing of it has been taken."""
        return self.empty_at_ms is None and bucket not in self._full_at

    def lacking(self, at_ms: int) -> dict[str, int]:
        """Return the level of every bucket that is known not to be full; a debt is below 0."""
        lacking: dict[str, int] = {}
        for bucket, full_at in self._lacking(at_ms).items():
            terms = _terms(bucket)
            lacking[bucket] = terms.slot(at_ms) + terms.capacity - full_at
        return lacking

    def _full(self, bucket: str, slot: int) -> int:
        """Return the slot at which a bucket is full, or was."""
        full_at = self._full_at.get(bucket)
        if full_at is not None:
            return full_at
        if self.empty_at_ms is None:
            return slot - 1
        return _empty_slot(_terms(bucket), self.empty_at_ms)

    def _lacking(self, at_ms: int) -> dict[str, int]:
        return {b: full for b, full in self._full_at.items() if full >= _terms(b).slot(at_ms)}


def verdicts(
    buckets: SlottedBuckets, takes: Sequence[Take], now_ms: int, *, is_taken: bool
) -> list[Verdict]:
    """Return what to tell of takes that were let in, or refused: a refusal is that of the last."""
    told = [_admitted(buckets, take, now_ms) for take in takes]
    if is_taken:
        return told
    waits = [buckets.ms_until(take, now_ms) for take in takes]
    last = waits.index(max(waits))
    level = buckets.level(takes[last].bucket, now_ms)
    # All of them are there by then, if nobody else takes any.
    seconds = max(1, _seconds(waits[last]))
    return [*told[:last], Verdict(False, level, seconds, seconds)]


def _admitted(buckets: SlottedBuckets, take: Take, now_ms: int) -> Verdict:
    level = buckets.level(take.bucket, now_ms)
    ms = buckets.ms_until(Take(take.bucket, level + 1), now_ms)
    return Verdict(True, level, _seconds(ms) if ms else 0, 0)


def _seconds(ms: int) -> int:
    # Rounded up, and a millisecond more: a request after Retry-After must succeed.
    return math.ceil(ms / 1_000 + 0.001)


def _wanted_slot(terms: LeaseTerms, tokens: int, full_at: int) -> int:
    """Return the first slot at which a bucket has so many tokens.

    Shape:   a whole burst is there when it has been full for a slot, and so is what is above it.
    """
    return full_at + 1 if tokens > terms.capacity else full_at - terms.capacity + tokens


def _empty_slot(terms: LeaseTerms, at_ms: int) -> int:
    """Return where a bucket is full again that was used up in memory: one is kept back."""
    return terms.slot(at_ms) + terms.capacity + 1


@lru_cache(maxsize=10_000)
def _terms(bucket: str) -> LeaseTerms:
    return LeaseTerms.of(*size_of(bucket))
