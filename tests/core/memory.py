"""The ports in memory: a results log with repeats and gaps, a registry, a sink, a catalog."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from streaming_runtime.core.at_once import at_once
from streaming_runtime.core.cursor import CursorSeal
from streaming_runtime.core.dedupe import OnceOnly
from streaming_runtime.core.errors import InvalidBody, StreamingError
from streaming_runtime.core.model import (
    Height,
    Incarnation,
    Kind,
    LogEntry,
    Position,
    Processor,
    Receipt,
    Record,
    Stream,
)
from streaming_runtime.core.ports import Bounds, Waiter
from streaming_runtime.core.results import EncodedResult, ResultEncoder

SEAL = CursorSeal(b"a secret of these tests")
PARTITION = 3
# Ids of the right form; what they are made of means nothing.
STREAM_ID = "AAAAAAAAAAAAAAAAAAAAAA"
OTHER_ID = "BBBBBBBBBBBBBBBBBBBBBB"


def a_stream(**changes: Any) -> Stream:
    """Return a stream of tenant ``acme`` that began at the log's first offset."""
    fields: dict[str, Any] = {
        "stream_id": STREAM_ID,
        "tenant": "acme",
        "processor": Processor("identity"),
        "incarnation": "incarn01",
        "partition": PARTITION,
        "first_offset": 0,
        "created_at": 1_000,
    }
    return Stream(**fields | changes)


class MemoryLog:
    """One results partition; ``write`` is what processing does, a repeat included."""

    def __init__(self, incarnation: str = "incarn01", batch: int = 2) -> None:
        self.incarnation = Incarnation(incarnation, 12)
        self.entries: list[LogEntry] = []
        self.earliest = 0
        self.input = Bounds(0, 1_000)
        self.open_feeds = 0
        self.batch = batch
        self.is_stuck = False
        self.lags = False
        self.ignores_until = False

    def write(
        self,
        source: int,
        stream_id: str = STREAM_ID,
        kind: Kind = "result",
        part: int = 0,
        at: int = 0,
    ) -> int:
        """Append a result of an input offset; return its own offset."""
        offset = len(self.entries)
        height = Height(source, part)
        name = f"{PARTITION}-{source}" + (f"-{part}" if part else "")
        value = b"null" if kind == "end" else b'{"n":%d}' % source
        self.entries.append(LogEntry(stream_id, offset, kind, name, height, value, at, at))
        return offset

    def forget_before(self, offset: int) -> None:
        """Do what retention does."""
        self.earliest = offset

    async def bounds(self, partition: int) -> Bounds:
        assert partition == PARTITION
        return Bounds(self.earliest, len(self.entries))

    async def sources(self, partition: int) -> Bounds:
        assert partition == PARTITION
        return self.input

    async def tip(self, partition: int) -> Position:
        assert partition == PARTITION
        once = OnceOnly()
        for entry in self.entries[self.earliest :]:
            once.takes(entry)
        return Position(len(self.entries), once.height)

    @asynccontextmanager
    async def follow(self, stream: Stream, position: Position) -> AsyncIterator[MemoryFeed]:
        assert self.earliest <= position.offset <= len(self.entries)
        self.open_feeds += 1
        try:
            yield MemoryFeed(self, stream.stream_id, position)
        finally:
            self.open_feeds -= 1


class MemoryFeed:
    """Hands out what stands in the log, a few at a time, and never waits."""

    def __init__(self, log: MemoryLog, stream_id: str, position: Position) -> None:
        self._log = log
        self._stream_id = stream_id
        self._offset = position.offset
        self._once = OnceOnly(position.height)
        self._encoder = ResultEncoder(SEAL, log.incarnation.id)
        self.is_interrupted = False

    @property
    def position(self) -> Position:
        return Position(self._offset, self._once.height)

    @property
    def has_lagged(self) -> bool:
        return self._log.lags

    def hand_over(self, push: Callable[[], bool]) -> None:
        """Implements Feed: results are only ever taken."""

    def take_now(self) -> Sequence[EncodedResult]:
        return ()

    def interrupt(self) -> None:
        self.is_interrupted = True

    async def take(self, seconds: float, until: int | None = None) -> Sequence[EncodedResult]:
        found: list[EncodedResult] = []
        if self._log.is_stuck or self._log.lags:
            return found
        while self._offset < len(self._log.entries) and len(found) < self._log.batch:
            if until is not None and self._offset >= until and not self._log.ignores_until:
                break
            entry = self._log.entries[self._offset]
            self._offset += 1
            if self._once.takes(entry) and entry.stream_id == self._stream_id:
                found.append(self._encoder.encode(entry))
        return found


class MemoryRegistry:
    """Entries by id; ``writes`` keeps every version that was put."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}
        self.writes: list[Stream] = []
        self.failures: list[Exception] = []

    async def put(self, stream: Stream) -> None:
        if self.failures:
            raise self.failures.pop(0)
        known = self.streams.get(stream.stream_id, stream)
        ended_at = _first(known.ended_at, stream.ended_at)
        end_source = _first(known.end_source, stream.end_source)
        self.streams[stream.stream_id] = replace(stream, ended_at=ended_at, end_source=end_source)
        self.writes.append(stream)

    def at_hand(self, stream_id: str) -> Stream | None:
        return self.streams.get(stream_id)

    async def get(self, stream_id: str) -> Stream | None:
        return self.streams.get(stream_id)

    async def page(self, tenant: str, after: tuple[int, str] | None, limit: int) -> list[Stream]:
        known = sorted(
            (s for s in self.streams.values() if s.tenant == tenant),
            key=lambda s: (s.created_at, s.stream_id),
        )
        return [s for s in known if after is None or (s.created_at, s.stream_id) > after][:limit]


def _first(one: int | None, other: int | None) -> int | None:
    return min((n for n in (one, other) if n is not None), default=None)


class MemorySink:
    """The input partition; ``before_ack`` runs while an append is on its way."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.failures: list[Exception] = []
        self.before_ack: Callable[[], None] = lambda: None

    def enter(self, record: Record, waiter: Waiter) -> None:
        try:
            receipt = at_once(self.append(record))
        except StreamingError as failure:
            waiter.set_exception(failure)
        else:
            waiter.set_result(receipt)

    async def append(self, record: Record) -> Receipt:
        if self.failures:
            raise self.failures.pop(0)
        self.records.append(record)
        self.before_ack()
        return Receipt(record.stream.partition, len(self.records) - 1)

    async def room(self, records: int, size: int) -> None:
        """Implements core.ports.RecordSink: memory has room."""

    async def append_all(
        self, stream: Stream, values: Sequence[bytes], sent_at: int, traceparent: str | None = None
    ) -> list[Receipt | StreamingError]:
        outcomes: list[Receipt | StreamingError] = []
        for value in values:
            try:
                record = Record(stream, value, sent_at, traceparent=traceparent)
                outcomes.append(await self.append(record))
            except StreamingError as failure:
                outcomes.append(failure)
        return outcomes

    async def partition_for(self, stream_id: str) -> int:
        return PARTITION


class Catalog:
    """Two processors, one of which wants an expression."""

    def names(self) -> Sequence[str]:
        return ("identity", "jmespath")

    def check(self, name: str, parameters: dict[str, Any]) -> None:
        wanted = {"identity": set[str](), "jmespath": {"expression"}}
        if name not in wanted or set(parameters) != wanted[name]:
            raise InvalidBody(f"processor {name!r}: not with these parameters")
