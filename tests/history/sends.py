"""What was sent: each logical record with all its attempts and what is known of its fate."""

from __future__ import annotations

from collections import Counter
from math import inf

from tests.history.events import Fail, Info, Invoke, Ok


class Sent:
    """One logical record: however often it was sent, at most one result may come of it.

    Units:   moments are seconds of the run; ``acknowledged`` is the first of them, else infinite.
    Shape:   ``place`` is its operation and its number in there, ``records`` what receipts said.
    """

    __slots__ = (
        "acknowledged", "attempts", "doubtful", "invoked", "is_poison", "name", "place", "records",
        "refused", "stream", "sum", "under_way",
    )  # fmt: skip

    def __init__(self, first: Invoke, number: int) -> None:
        self.name = first.names[number]
        self.stream = first.stream
        self.sum = first.sums[number]
        self.invoked = first.t
        self.place = first.op << 16 | number
        self.is_poison = first.poison
        self.acknowledged = inf
        self.attempts = 0
        self.under_way = 0
        self.doubtful = 0
        self.refused = 0
        self.records: list[str] = []

    @property
    def is_acknowledged(self) -> bool:
        return self.acknowledged < inf

    @property
    def is_certainly_not_stored(self) -> bool:
        """Say whether every attempt was refused; an attempt without an answer may be stored."""
        return self.refused == self.attempts

    @property
    def fate(self) -> str:
        if self.is_acknowledged:
            return "ok"
        return "fail" if self.is_certainly_not_stored else "info"


class Sends:
    """All logical records by name, filled from a history in its order."""

    def __init__(self) -> None:
        self.by_name: dict[str, Sent] = {}
        self.operations = 0
        self.retried: set[str] = set()
        self.refusals: Counter[str] = Counter()
        self.doubts: Counter[str] = Counter()

    def invoke(self, event: Invoke) -> None:
        self.operations += 1
        for number, name in enumerate(event.names):
            sent = self.by_name.get(name)
            if sent is None:
                sent = self.by_name[name] = Sent(event, number)
            else:
                self.retried.add(name)
            sent.attempts += 1
            sent.under_way += 1

    def ok(self, event: Ok) -> None:
        for name, record in zip(event.names, event.records, strict=True):
            sent = self.by_name[name]
            sent.under_way -= 1
            sent.acknowledged = min(sent.acknowledged, event.t)
            sent.records.append(record)

    def fail(self, event: Fail) -> None:
        self.refusals[event.code] += len(event.names)
        for name in event.names:
            sent = self.by_name[name]
            sent.under_way -= 1
            sent.refused += 1

    def info(self, event: Info) -> None:
        self.doubts[event.why] += len(event.names)
        for name in event.names:
            sent = self.by_name[name]
            sent.under_way -= 1
            sent.doubtful += 1

    def describe(self, name: str) -> str:
        """Return a record's story in a few words, for who looks into a violation."""
        sent = self.by_name.get(name)
        if sent is None:
            return f"{name} (never sent)"
        acknowledged = f", ok {sent.acknowledged:.3f} as {sent.records}" if sent.records else ""
        return (
            f"{name} ({sent.stream}, invoked {sent.invoked:.3f}{acknowledged},"
            f" {sent.attempts} attempts: {sent.refused} refused, {sent.doubtful} doubtful)"
        )

    def count(self, fate: str) -> int:
        return sum(sent.fate == fate for sent in self.by_name.values())
