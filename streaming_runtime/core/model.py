"""What moves through the system: streams, records, receipts, results and positions."""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

# An end is registered first and stored in the input topic after it. Who did the first and died
# before the second leaves a stream that takes nothing and never ends: somebody completes it.
INTERRUPTED_MS = 10_000
STREAM_ID = re.compile(r"[A-Za-z0-9_-]{22}")
# The last millisecond of the year 9999: what a datetime can hold.
MAX_MILLISECONDS = 253_402_300_799_999
SOURCE = re.compile(rb"(\d{1,9})-(\d{1,18})(?:-(\d{1,4}))?")

Kind = Literal["result", "failed", "end"]


def new_stream_id() -> str:
    """Return 128 random bits as 22 URL-safe characters."""
    return urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()


def new_incarnation() -> str:
    """Return the random id of a newly made pair of topics: 48 bits, 8 URL-safe characters."""
    return urlsafe_b64encode(secrets.token_bytes(6)).decode()


def is_stream_id(text: str) -> bool:
    return STREAM_ID.fullmatch(text) is not None


def timestamp(milliseconds: int) -> str:
    """Return RFC 3339, UTC, with milliseconds, for milliseconds since 1970.

    Shape:  a moment before 1970 or after 9999 becomes the nearest there is: it comes from a header
            that any engine may write, and must not keep a result from its readers.
    """
    second, rest = divmod(min(max(milliseconds, 0), MAX_MILLISECONDS), 1000)
    return f"{_second(second)}.{rest:03d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    # Results come in order of time, so that nearly all share their second with the one before.
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


class Height(NamedTuple):
    """How far the sources of a results partition have been seen: input offset, then sub-index."""

    offset: int
    part: int = 0


NOTHING_SEEN = Height(-1, 0)


class Position(NamedTuple):
    """Where a reader of one partition goes on: next results offset, and the height before it."""

    offset: int
    height: Height = NOTHING_SEEN


@dataclass(frozen=True, slots=True)
class Incarnation:
    """One life of the input and results topics: its random id and its number of partitions."""

    id: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Processor:
    """Which processor a stream uses and with which parameters, as the client named them."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> str | dict[str, Any]:
        """Return the contract's form: the bare name, or an object when there are parameters."""
        return {"name": self.name, **self.parameters} if self.parameters else self.name


@dataclass(frozen=True, slots=True)
class Stream:
    """A registry entry.

    Units:  ``created_at`` and ``ended_at`` are milliseconds since 1970.
    Shape:  ``first_offset`` is a results offset noted at the start, at or before the first result;
            ``end_source`` is the input offset of the end record, None until Kafka has it.
    """

    stream_id: str
    tenant: str
    processor: Processor
    incarnation: str
    partition: int
    first_offset: int
    created_at: int
    label: str | None = None
    ttl_seconds: int | None = None
    ended_at: int | None = None
    end_source: int | None = None

    def expires_at(self) -> int | None:
        """Return the moment (ms) at which the stream ends by itself, or None."""
        return None if self.ttl_seconds is None else self.created_at + self.ttl_seconds * 1000

    def ended_by(self, now_ms: int) -> int | None:
        """Return when the stream ended or expired, None if it lives at ``now_ms``.

        An end counts as soon as it is known: the clock that wrote it may be ahead of ours.
        """
        expiry = self.expires_at()
        if expiry is None or expiry > now_ms:
            return self.ended_at
        return expiry if self.ended_at is None else min(self.ended_at, expiry)

    def due_at(self) -> int | None:
        """Return the moment (ms) at which somebody has to end the stream, None if nobody has to.

        Shape:  its time is over, or an end that was begun is not completed; an end that has its
                record is done with.
        """
        if self.end_source is not None:
            return None
        interrupted = None if self.ended_at is None else self.ended_at + INTERRUPTED_MS
        moments = [moment for moment in (self.expires_at(), interrupted) if moment is not None]
        return min(moments, default=None)

    def ended(self, at_ms: int, end_source: int | None = None) -> Stream:
        return replace(self, ended_at=self.ended_at or at_ms, end_source=end_source)


@dataclass(frozen=True, slots=True)
class Record:
    """What goes into the input topic for one stream.

    Shape:  ``value`` is the JSON of the client's data; ``kind`` is ``record`` or ``end``. Of the
            records of a stream with one ``idempotency_key`` only the first gives a result.
    """

    stream: Stream
    value: bytes
    sent_at: int
    kind: Literal["record", "end"] = "record"
    traceparent: str | None = None
    idempotency_key: str | None = None


class Receipt(NamedTuple):
    """Where Kafka has stored an input record."""

    partition: int
    offset: int

    @property
    def record_id(self) -> str:
        return f"{self.partition}-{self.offset}"


class LogEntry(NamedTuple):
    """One record of the results log, parsed but not judged: it may be a repeat.

    Units:  ``sent_at`` and ``processed_at`` are milliseconds since 1970.
    """

    stream_id: str
    offset: int
    kind: Kind
    source: str
    height: Height
    value: bytes
    sent_at: int
    processed_at: int


def parse_source(text: bytes) -> tuple[int, Height] | None:
    """Read ``PARTITION-OFFSET`` or ``PARTITION-OFFSET-N``; None if it is neither."""
    match = SOURCE.fullmatch(text)
    if match is None:
        return None
    partition, offset, part = match.groups()
    return int(partition), Height(int(offset), int(part or 0))
