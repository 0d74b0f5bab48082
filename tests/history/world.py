"""What all parts of one run share: its clock, log, streams and doors, and what was seen."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from random import Random

from tests.history.events import Event, Log

KEYS = {"a": "history-key-a", "b": "history-key-b"}


@dataclass(frozen=True)
class Target:
    """One stream: what the history calls it, whose it is, its id, and if records can be poison."""

    label: str
    tenant: str
    stream_id: str
    can_fail: bool = False

    @property
    def key(self) -> str:
        return KEYS[self.tenant]


class World:
    """Shared by producers, readers and the nemesis of one run."""

    def __init__(self, log: Log, seed: int) -> None:
        self.log = log
        self.seed = seed
        self.doors: Sequence[int] = ()
        self.targets: list[Target] = []
        self.awaited: dict[str, set[str]] = {}
        self.seen: dict[str, set[str]] = {}
        self.cursors: dict[str, str] = {}
        self.acknowledged = 0
        self.received = 0
        self.oks: dict[str, int] = {}
        self.hurting: dict[int, str] = {}
        self._began = time.monotonic()
        self._op = 0

    @property
    def now(self) -> float:
        return time.monotonic() - self._began

    def random(self, name: str) -> Random:
        """Return one part's own dice, the same for the same seed."""
        return Random(f"{self.seed} {name}")

    def note(self, event: Event) -> None:
        self.log.add(event)

    def next_op(self) -> int:
        self._op += 1
        return self._op

    def has_acknowledged(self, stream: str, names: Sequence[str]) -> None:
        """Await the results of these, unless they are here already."""
        self.acknowledged += len(names)
        self.oks[stream] = self.oks.get(stream, 0) + len(names)
        seen = self.seen.setdefault(stream, set())
        self.awaited.setdefault(stream, set()).update(n for n in names if n not in seen)

    def has_seen(self, stream: str, name: str) -> None:
        self.received += 1
        seen = self.seen.setdefault(stream, set())
        if name not in seen:
            seen.add(name)
            self.awaited.setdefault(stream, set()).discard(name)

    @property
    def missing(self) -> int:
        """How many acknowledged records nobody has seen so far."""
        return sum(map(len, self.awaited.values()))


def data_of(name: str, size: int) -> str:
    """Return a record's data: its name, and letters that no other record has.

    Shape:   ASCII without anything JSON would escape, so that its JSON is itself in quotes.
    """
    filler = blake2b(name.encode(), digest_size=16).hexdigest()
    return f"{name} {(filler * (size // 32 + 1))[:size]}"


def name_in(data: object) -> str:
    """Return whose data this is; empty for what no producer sent."""
    return data.partition(" ")[0] if isinstance(data, str) else ""


def sum_of(data: object) -> int:
    return zlib.crc32(str(data).encode())
