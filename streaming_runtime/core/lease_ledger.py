"""One budget for many processes: what a log of their asking grants, the same to all who read it.

Every process writes what it asks for into one log, reads that log, and keeps the buckets of all by
its order and by the clock that stamps it. So whoever asked learns what it got when it reads its own
entry back, and no two processes ever disagree.

Why no window of w seconds sees more than ``burst + w * per_second``:

1. A bucket is one number, the slot at which it is full again, where a slot is the time that one
   token takes to flow in. What is used in a window was granted to be used at once within it, or
   ahead at most ``hold_ms`` before it. The first of those grants leaves the number at least at the
   window's first slot and its own size: what is granted ahead is charged from the last moment at
   which it may be used. Each further one adds its size, and the last leaves it at most ``capacity``
   above the window's last slot. So they are ``capacity`` and the window's slots together, and one
   is kept back because a window of w seconds may touch one slot more than flow in during it. For
   the same reason one is kept back where the slots take over from a bucket in memory.
2. Whoever begins to read later begins with empty buckets. Every grant is as much as there is,
   counted in whole tokens on slots that are the same for all, so a bucket that begins emptier never
   grants more: a late reader believes less than the truth, until a bucket is full or used up for
   both, and from then on the same.
3. A process that is alone counts in its memory. While it does it says so, and nothing is granted
   to others until it has said that it stopped (with what is left, or the buckets begin empty; or
   that it never began), or
   until it has been silent for ``SILENT_MS``, before which it stops by itself. It begins only when
   its own entry has come back and nobody else was there.

What is taken for further limits is asked for in the same entries, and granted in the same way: to
be used at once, several buckets together or none of them. Readers that stay open flow out of no
bucket: each process says how many it has, and asks before it opens more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from streaming_runtime.core.lease_terms import LeaseTerms
from streaming_runtime.core.open_readers import OpenReaders
from streaming_runtime.core.slotted_buckets import SlottedBuckets
from streaming_runtime.core.takes import Take

# Who has not been read for so long is gone, and stopped counting by itself before.
SILENT_MS: Final = 3_000
DEAD_MS: Final = 600_000
# Buckets that are remembered one by one; of those that are full nothing need be remembered.
MOST_BUCKETS: Final = 10_000

Presence = Literal["shared", "alone", "gone"]


@dataclass(frozen=True, slots=True)
class Ask:
    """Tokens of a bucket: ``direct`` for requests that wait, ``ahead`` for those to come."""

    bucket: str
    direct: int
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Left:
    """What is in buckets, in whole tokens: those of requests, and those of further limits.

    Shape:   a bucket that is not named is full, but for one of a further limit: that has what
             flowed in since ``empty_at_ms``, if there is such a moment. A debt is below 0.
    """

    requests: dict[str, int]
    further: dict[str, int] = field(default_factory=dict)
    empty_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What a process writes: that it is there and how it counts, and what it asks for.

    Shape:   ``has_counted`` where a process has counted alone since it last said "shared"; then
             ``left`` is what was in its buckets, None if it does not tell. ``takes`` are asked for
             one after the other. ``holds`` is how many readers it has, where it tells of them, and
             ``opens`` how many more it wants to open. ``debts`` are when buckets are full that hold
             less than nothing.
    """

    by: str
    number: int
    presence: Presence
    ask: Ask | None = None
    has_counted: bool = False
    left: Left | None = None
    takes: tuple[tuple[Take, ...], ...] = ()
    holds: dict[str, int] = field(default_factory=dict)
    opens: dict[str, int] = field(default_factory=dict)
    debts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grant:
    """What an entry got of what it asked for."""

    direct: int
    ahead: int
    taken: tuple[bool, ...] = ()
    opened: dict[str, int] = field(default_factory=dict)


NOTHING: Final = Grant(0, 0)


@dataclass(slots=True)
class _Alone:
    """Who counts in its memory, and until when nobody else may be granted anything."""

    by: str
    until_ms: int


@dataclass(slots=True)
class LeaseLedger:
    """The buckets and the processes, as one reader of the log knows them."""

    terms: LeaseTerms
    now_ms: int = 0
    further: SlottedBuckets = field(default_factory=SlottedBuckets)
    readers: OpenReaders = field(default_factory=OpenReaders)
    _empty_at_ms: int | None = None
    _full_at: dict[str, int] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)
    _alone: _Alone | None = None

    def begin(self, at_ms: int | None, *, is_late: bool = False) -> None:
        """Forget everything; buckets were empty at this moment, None if all are full.

        Shape:   ``is_late`` for who has not read what others have read.
        """
        self._full_at.clear()
        self._empty_at_ms = at_ms
        self.further.begin(at_ms, is_late=is_late)

    def miss(self, at_ms: int) -> None:
        """Go on behind a hole in the log: somebody may have begun to count alone in it."""
        self.begin(at_ms, is_late=True)
        self._seen.clear()
        self.readers = OpenReaders()
        self._alone = _Alone("", at_ms + SILENT_MS)

    def apply(self, entry: Entry, at_ms: int) -> Grant:
        """Take the next entry of the log, and return what it was granted."""
        # Brokers' clocks differ a little: the log's own never goes back.
        self.now_ms = max(self.now_ms, at_ms)
        if self._alone is not None and self._alone.until_ms < self.now_ms:
            self.begin(self._alone.until_ms)
            self._alone = None
        self._note_presence(entry)
        self.further.note(entry.debts)
        if self._alone is not None:
            return NOTHING
        direct, ahead = (0, 0) if entry.ask is None else self._granted(entry.ask)
        taken = tuple(self.further.take_all(takes, self.now_ms) for takes in entry.takes)
        opened = self.readers.grant(entry.by, entry.opens, self._is_there)
        return Grant(direct, ahead, taken, opened)

    def others(self, process: str) -> int:
        """Return how many other processes are there, by the latest moment of the log."""
        return sum(other != process and self._is_there(other) for other in self._seen)

    def open_readers(self, bucket: str) -> int:
        """Return how many readers all processes have that are there."""
        return self.readers.open(bucket, self._is_there)

    def is_alone(self, process: str) -> bool:
        """Say whether the log has it that this process may count in its memory."""
        return self._alone is not None and self._alone.by == process and not self.others(process)

    def is_held_from(self, process: str) -> bool:
        """Say whether somebody else may be counting in its memory still."""
        return self._alone is not None and self._alone.by != process

    def level(self, bucket: str, at_ms: int) -> int:
        """Return how many tokens a bucket holds, now or at a later moment."""
        slot = self.terms.slot(max(at_ms, self.now_ms))
        return max(0, slot + self.terms.capacity - self._full(bucket, slot))

    def is_untouched(self, bucket: str) -> bool:
        """Say whether a bucket was full, and nothing of it has been granted."""
        return self._empty_at_ms is None and bucket not in self._full_at

    def ms_until(self, bucket: str, tokens: int, at_ms: int) -> int:
        """Return how long it takes until a bucket holds so many tokens, if nobody takes any."""
        at_ms = max(at_ms, self.now_ms)
        slot = self.terms.slot(at_ms)
        wanted = self._full(bucket, slot) - self.terms.capacity + tokens
        # The first millisecond whose slot is the wanted one.
        return max(0, -(-wanted * 1_000 // self.terms.per_second) - at_ms)

    def lacking(self, at_ms: int) -> Left | None:
        """Return the level of every bucket that is not full, None if there may be others."""
        at_ms = max(at_ms, self.now_ms)
        slot = self.terms.slot(at_ms)
        if self._full("", slot) > slot:
            return None
        requests = {b: self.level(b, at_ms) for b, full in self._full_at.items() if full > slot}
        return Left(requests, self.further.lacking(at_ms), self.further.empty_at_ms)

    def _note_presence(self, entry: Entry) -> None:
        process = entry.by
        is_holder = self._alone is not None and self._alone.by == process
        if entry.presence == "alone":
            # With others there it counts alone no more than it did: they are told when it stops.
            if is_holder or (self._alone is None and not self.others(process)):
                self._alone = _Alone(process, self.now_ms + SILENT_MS)
        elif is_holder:
            self._alone = None
            if entry.has_counted:
                self._take_over(entry.left)
        if entry.presence == "gone":
            self._seen.pop(process, None)
            self.readers.forget(process)
            return
        if process not in self._seen:
            self._forget_dead()
        self._seen[process] = self.now_ms
        self.readers.tell(process, entry.holds)

    def _is_there(self, process: str) -> bool:
        return self._seen.get(process, self.now_ms) >= self.now_ms - SILENT_MS

    def _forget_dead(self) -> None:
        """Forget processes that were killed: nobody stands still for so long."""
        for process, seen in list(self._seen.items()):
            if seen < self.now_ms - DEAD_MS:
                del self._seen[process]
                self.readers.forget(process)

    def _take_over(self, left: Left | None) -> None:
        if left is None:
            self.begin(self.now_ms)
            return
        self.begin(None)
        empty = self._empty_slot(self.now_ms)
        self._full_at = {bucket: empty - tokens for bucket, tokens in left.requests.items()}
        self.further.take_over(left.further, left.empty_at_ms, self.now_ms)

    def _granted(self, ask: Ask) -> tuple[int, int]:
        terms, slot = self.terms, self.terms.slot(self.now_ms)
        latest = slot + terms.capacity
        full_at = self._full(ask.bucket, slot)
        direct = max(0, min(ask.direct, latest - full_at))
        full_at += direct
        ahead = 0
        if ask.ahead and terms.hold_ms and direct == ask.direct:
            charged_at = max(full_at, terms.slot(self.now_ms + terms.hold_ms))
            ahead = max(0, min(ask.ahead, latest - charged_at))
            full_at = charged_at + ahead if ahead else full_at
        self._full_at[ask.bucket] = full_at
        if len(self._full_at) > MOST_BUCKETS:
            self._forget_full(slot)
        return direct, ahead

    def _full(self, bucket: str, slot: int) -> int:
        full_at = self._full_at.get(bucket)
        if full_at is None:
            if self._empty_at_ms is None:
                return slot
            full_at = self._empty_slot(self._empty_at_ms)
        return max(full_at, slot)

    def _empty_slot(self, at_ms: int) -> int:
        """Return where a bucket is full again that was used up in memory: one is kept back."""
        return self.terms.slot(at_ms) + self.terms.capacity + 1

    def _forget_full(self, slot: int) -> None:
        if self._empty_at_ms is not None:
            if self._empty_slot(self._empty_at_ms) > slot:
                return
            self._empty_at_ms = None
        self._full_at = {b: full_at for b, full_at in self._full_at.items() if full_at > slot}
