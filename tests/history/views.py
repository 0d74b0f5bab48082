"""What was read: each reader's sequence of results across all its connections."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from tests.history.events import Final, Gap, Open, Recv

Source = tuple[int, ...]


def parse_source(text: str) -> Source:
    """Return ``PARTITION-OFFSET`` or ``PARTITION-OFFSET-N`` as what it sorts by."""
    return tuple(map(int, text.split("-")))


class Item(NamedTuple):
    """One result as one reader saw it."""

    t: float
    name: str
    source: Source
    id: str
    sum: int
    kind: str
    conn: int
    owner: str | None


class Told(NamedTuple):
    """A gap event: ``place`` is how many results the reader had seen before it."""

    place: int
    t: float
    reason: str


class Resumed(NamedTuple):
    """A connection was opened: where among the results, and at which cursor."""

    place: int
    cursor: str | None
    t: float


class View:
    """One reader's reading of one stream."""

    def __init__(self, reader: str, stream: str) -> None:
        self.reader = reader
        self.stream = stream
        self.items: list[Item] = []
        self.gaps: list[Told] = []
        self.opens: list[Resumed] = []
        self.is_final = False

    @property
    def asked_at(self) -> float:
        """When its last connection was opened; infinite if that is not known."""
        return self.opens[-1].t if self.opens else inf

    def where(self, place: int) -> str:
        """Return a place in this view in words."""
        item = self.items[place]
        return f"{self.reader} of {self.stream}, result {place} at {item.t:.3f}, conn {item.conn}"


class Views:
    """All readers, filled from a history in its order."""

    def __init__(self) -> None:
        self.by_reader: dict[str, View] = {}
        self.received = 0

    def of_stream(self, stream: str) -> list[View]:
        return [view for view in self.by_reader.values() if view.stream == stream]

    def open(self, event: Open) -> None:
        view = self._of(event.reader, event.stream)
        view.opens.append(Resumed(len(view.items), event.cursor, event.t))

    def recv(self, event: Recv) -> None:
        self.received += 1
        source = parse_source(event.source)
        item = Item(
            event.t, event.name, source, event.id, event.sum, event.kind, event.conn, event.owner
        )
        self._of(event.reader, event.stream).items.append(item)

    def gap(self, event: Gap) -> None:
        view = self._of(event.reader, event.stream)
        view.gaps.append(Told(len(view.items), event.t, event.reason))

    def final(self, event: Final) -> None:
        self._of(event.reader, event.stream).is_final = True

    def _of(self, reader: str, stream: str) -> View:
        view = self.by_reader.get(reader)
        if view is None:
            view = self.by_reader[reader] = View(reader, stream)
        return view
