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

    Who has not read all of it knows of each bucket when it is full at the latest, and grants from
    that. What others were granted meanwhile it cannot tell from what they were refused, so both
    count: then it never believes in more than there is. Once a bucket is full by that, it is full,
    and known as well as by anybody.

    Shape:   ``empty_at_ms`` is when all were empty of which nothing else is known, None if full.
    """

    def __init__(self) -> None:
        self.empty_at_ms: int | None = None
        self._full_at: dict[str, int] = {}
        self._most = MOST_BUCKETS
        self._is_late = False
        # Of a late reader: the buckets that it has seen full.
        self._known: set[str] = set()

    def begin(self, empty_at_ms: int | None, *, is_late: bool = False) -> None:
        """Forget everything; buckets were empty at this moment, None if all are full.

        Shape:   ``is_late`` for who does not know what others know who read the same log.
        """
        self._full_at.clear()
        self._known.clear()
        self.empty_at_ms = empty_at_ms
        self._is_late = is_late

    def take_over(self, left: Mapping[str, int], empty_at_ms: int | None, now_ms: int) -> None:
        """Go on with what was in buckets that were kept in memory."""
        self.begin(empty_at_ms)
        for bucket, tokens in left.items():
            self._full_at[bucket] = _empty_slot(_terms(bucket), now_ms) - tokens

    def take_all(self, takes: Sequence[Take], now_ms: int) -> bool:
        """Take of all buckets, or of none; say which."""
        places: dict[str, int] = {}
        are_there, is_certain = True, True
        for bucket, tokens in takes:
            terms = _terms(bucket)
            slot = terms.slot(now_ms)
            full_at = places.get(bucket, self._full(bucket, slot))
            is_known = self._knows(bucket, full_at, slot)
            if slot < _wanted_slot(terms, tokens, full_at):
                if is_known:
                    return False
                are_there = False
            is_certain = is_certain and is_known
            # Nothing is let in unless it was there: so it is full no later than that.
            latest = max(full_at, slot + max(_capacity(terms), tokens))
            places[bucket] = min(max(full_at, slot) + tokens, latest)
        if not is_certain and not are_there:
            self._known -= places.keys()
        self._put(places, now_ms)
        return are_there

    def note(self, full_at: Mapping[str, int]) -> None:
        """Take note that buckets are not full before these slots: somebody knows of a debt."""
        if self._is_late:
            for bucket, slot in full_at.items():
                self._full_at[bucket] = max(slot, self._full_at.get(bucket, slot))

    def debts(self, at_ms: int) -> dict[str, int]:
        """Return when buckets are full that hold less than nothing, for those who come late."""
        debts: dict[str, int] = {}
        for bucket, full_at in self._full_at.items():
            terms = _terms(bucket)
            if full_at > terms.slot(at_ms) + _capacity(terms) + 1:
                debts[bucket] = full_at
        return debts

    def level(self, bucket: str, at_ms: int) -> int:
        """Return how many tokens a bucket holds at a moment."""
        terms = _terms(bucket)
        return max(0, min(_capacity(terms), self.balance(bucket, at_ms)))

    def balance(self, bucket: str, at_ms: int) -> int:
        """Return that, but a debt below 0, and a whole burst for who had nothing taken."""
        terms = _terms(bucket)
        slot = terms.slot(at_ms)
        return min(terms.burst, slot + _capacity(terms) - self._full(bucket, slot))

    def ms_until(self, take: Take, at_ms: int) -> int:
        """Return how long it takes until a bucket has what is wanted, if nobody takes any."""
        terms = _terms(take.bucket)
        wanted = _wanted_slot(terms, take.tokens, self._full(take.bucket, terms.slot(at_ms)))
        # The first millisecond whose slot is the wanted one.
        return max(0, -(-wanted * 1_000 // terms.per_second) - at_ms)

    def lacking(self, at_ms: int) -> dict[str, int]:
        """Return the level of every bucket that is known not to be full; a debt is below 0."""
        lacking: dict[str, int] = {}
        for bucket, full_at in self._lacking(at_ms).items():
            terms = _terms(bucket)
            lacking[bucket] = terms.slot(at_ms) + _capacity(terms) - full_at
        return lacking

    def _full(self, bucket: str, slot: int) -> int:
        """Return the slot at which a bucket is full, or was."""
        full_at = self._full_at.get(bucket)
        if full_at is not None:
            return full_at
        if self.empty_at_ms is None:
            return slot - 1
        return _empty_slot(_terms(bucket), self.empty_at_ms)

    def _knows(self, bucket: str, full_at: int, slot: int) -> bool:
        """Say whether what is known of a bucket is what everybody knows."""
        if not self._is_late:
            return True
        if full_at < slot:
            # Full by the worst that may have been, and for a slot: nothing else matters any more.
            self._known.add(bucket)
        return bucket in self._known

    def _put(self, places: Mapping[str, int], now_ms: int) -> None:
        self._full_at |= places
        if len(self._full_at) > self._most:
            # What is full need not be remembered; and one look for many takes is enough.
            self._full_at = self._lacking(now_ms)
            self._known &= self._full_at.keys()
            self._most = max(MOST_BUCKETS, 2 * len(self._full_at))

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
    capacity = _capacity(terms)
    return full_at + 1 if tokens > capacity else full_at - capacity + tokens


def _empty_slot(terms: LeaseTerms, at_ms: int) -> int:
    """Return where a bucket is full again that was used up in memory: one is kept back."""
    return terms.slot(at_ms) + _capacity(terms) + 1


def _capacity(terms: LeaseTerms) -> int:
    """Return what may be taken at once: one is kept back, as core.lease_ledger tells."""
    return terms.burst - 1


@lru_cache(maxsize=10_000)
def _terms(bucket: str) -> LeaseTerms:
    return LeaseTerms.of(*size_of(bucket))
