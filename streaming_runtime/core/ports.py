"""The ports: what the core asks of Kafka, of a registry and of processing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from streaming_runtime.core.model import Incarnation, Position, Receipt, Record, Stream
from streaming_runtime.core.results import EncodedResult


class RecordSink(Protocol):
    """Where records go in."""

    async def append(self, record: Record) -> Receipt:
        """Return where the record is, once all in-sync replicas have it.

        Raises:  BrokerUnavailable or Overloaded when it is certainly not stored;
                 OutcomeUnknown when nobody can tell; always within the send deadline.
        """

    async def partition_for(self, stream_id: str) -> int:
        """Return the partition that a stream's records and results live in.

        Raises:  BrokerUnavailable.
        """


class StreamRegistry(Protocol):
    """Who owns which stream; every replica reads what any replica wrote."""

    async def put(self, stream: Stream) -> None:
        """Store an entry, new or changed; readable everywhere afterwards.

        Shape:   an end is never taken back: when replicas end a stream at once, the first moment
                 and the first end record of all that was put count, whatever was put last.
        Raises:  BrokerUnavailable or OutcomeUnknown.
        """

    async def get(self, stream_id: str) -> Stream | None:
        """Return the entry, or None when nobody has ever stored it."""

    async def page(self, tenant: str, after: tuple[int, str] | None, limit: int) -> list[Stream]:
        """Return a tenant's streams by (created_at, stream_id), those above ``after``."""


class Bounds(NamedTuple):
    """The results offsets that exist in a partition: ``earliest <= offset < end``."""

    earliest: int
    end: int


class Feed(Protocol):
    """One reader's results, in order and once, from a position on."""

    @property
    def position(self) -> Position:
        """Everything before it has been handed out or was not this stream's."""

    @property
    def has_lagged(self) -> bool:
        """True once the reader was too slow; ``take`` hands out what it still holds, then []."""

    @property
    def is_interrupted(self) -> bool:
        """True once nobody is to wait here any more."""

    async def take(self, seconds: float, until: int | None = None) -> Sequence[EncodedResult]:
        """Return the next results, waiting up to ``seconds`` for the first one.

        Shape:  [] when the time is over, when ``position`` has reached the results offset
                ``until``, when the reader has lagged, or from the moment it was interrupted.
        """

    def interrupt(self) -> None:
        """Make a waiting ``take`` return, and later ones not wait; what is queued stays."""


class ResultsLog(Protocol):
    """The results topic, read by partition, each source once."""

    @property
    def incarnation(self) -> Incarnation: ...

    async def bounds(self, partition: int) -> Bounds:
        """Ask Kafka now.

        Raises:  BrokerUnavailable.
        """

    async def tip(self, partition: int) -> Position:
        """Return the position that a reader of only new results starts at."""

    def follow(self, stream: Stream, position: Position) -> AbstractAsyncContextManager[Feed]:
        """Open a feed; leaving the context closes it."""


class ProcessorCatalog(Protocol):
    """The processors that exist, and the check of their parameters."""

    def names(self) -> Sequence[str]: ...

    def check(self, name: str, parameters: dict[str, Any]) -> None:
        """Accept a processor with its parameters.

        Raises:  InvalidBody, with what to change.
        """
