"""The ports: what the core asks of Kafka, of a registry and of processing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from streaming_runtime.core.api_keys import IssuedKey
from streaming_runtime.core.errors import StreamingError
from streaming_runtime.core.leasing import LeaseStore
from streaming_runtime.core.limits import Verdict
from streaming_runtime.core.model import Incarnation, Position, Receipt, Record, Stream
from streaming_runtime.core.results import EncodedResult
from streaming_runtime.core.takes import SharedTakes


class Waiter(Protocol):
    """Who is told once what became of a record; an asyncio.Future is one."""

    def done(self) -> bool:
        """Say whether it was told, or nobody waits any longer."""

    def set_result(self, place: tuple[int, int], /) -> None:
        """Take the partition and offset at which all in-sync replicas have the record."""

    def set_exception(self, failure: StreamingError, /) -> None:
        """Take why it is not stored, or that nobody can tell."""


class RecordSink(Protocol):
    """Where records go in."""

    def enter(self, record: Record, waiter: Waiter) -> None:
        """Do as ``append`` does without waiting: ``waiter`` is told, perhaps before this returns.

        Raises:  Overloaded; then nobody is told.
        """

    async def append(self, record: Record) -> Receipt:
        """Return where the record is, once all in-sync replicas have it.

        Raises:  BrokerUnavailable or Overloaded when it is certainly not stored;
                 OutcomeUnknown when nobody can tell; always within the send deadline.
        """

    async def room(self, records: int, size: int) -> None:
        """Wait until there is room for many records, right before ``append_all``.

        Shape:   for who can have its client wait; ``append_all`` may refuse all the same.
        Raises:  Overloaded when there is none within the send deadline.
        """

    async def append_all(
        self, stream: Stream, values: Sequence[bytes], sent_at: int, traceparent: str | None = None
    ) -> list[Receipt | StreamingError]:
        """Store records of one stream in their order; return what became of each.

        Shape:   all have entered before this first waits, so that calls made one after the other
                 store their records in the order of the calls.
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

    def at_hand(self, stream_id: str) -> Stream | None:
        """Return the entry if it is at hand; None tells nothing."""

    async def get(self, stream_id: str) -> Stream | None:
        """Return the entry, or None when nobody has ever stored it."""

    async def page(self, tenant: str, after: tuple[int, str] | None, limit: int) -> list[Stream]:
        """Return a tenant's streams by (created_at, stream_id), those above ``after``."""


class OverdueStreams(Protocol):
    """Which streams have to be ended now: expired, or left half ended by a crash."""

    async def due(self, now_ms: int) -> list[Stream]:
        """Return a part of them, so that a call costs little; each stays due until it has an end.

        Raises:  BrokerUnavailable.
        """


class StreamStore(StreamRegistry, OverdueStreams, Protocol):
    """What a long-running process needs of a registry."""


class Bounds(NamedTuple):
    """The offsets that exist in a partition: ``earliest <= offset < end``."""

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

    def hand_over(self, push: Callable[[], bool]) -> None:
        """Have ``push`` called when there are results, while somebody waits for them in ``take``.

        Shape:  it takes all with ``take_now`` and returns True, or leaves them to who waits. Where
                nobody can call it, it is never called.
        """

    def take_now(self) -> Sequence[EncodedResult]:
        """Return what ``take`` would without waiting; () where there is more to do than that.

        Shape:  that is so at the end of a stream, and once the reader lagged or was interrupted.
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

    async def sources(self, partition: int) -> Bounds:
        """Return the input offsets that exist: of others no result can come any more.

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


class Ends(NamedTuple):
    """Where input and results of one partition end."""

    input: int
    results: int


class Claim(NamedTuple):
    """Who uses an Idempotency-Key, and for what.

    Units:  ``at`` is milliseconds since 1970.
    Shape:  ``place`` is what a later claim names to take its place; ``ends`` were the ends before
            the first record. ``is_mine`` in the answer to a claim that counts. ``is_open`` tells
            that whoever made it is done or long gone; ``is_unused`` that it certainly left nothing.
            ``offsets`` are those of its first answer, None for a refused record, if known here.
    """

    place: int
    digest: bytes
    ends: Ends
    at: int
    is_mine: bool = False
    is_open: bool = False
    is_unused: bool = False
    offsets: tuple[int | None, ...] | None = None


class KeyClaims(Protocol):
    """Who uses which Idempotency-Key: of all replicas, the first to claim one has it.

    ``use`` names a key of a stream. A claim counts for KEPT_MS, or until it is released.
    """

    async def find(self, use: bytes) -> Claim | None:
        """Return the claim that counts, as far as it is known here already."""

    async def find_latest(self, use: bytes) -> Claim | None:
        """Return the claim that counts, whichever replica made it.

        Raises:  BrokerUnavailable.
        """

    async def claim(self, use: bytes, digest: bytes, ends: Ends, over: Claim | None) -> Claim:
        """Claim a key, and return the claim that counts: this one, or one that came before.

        Shape:  ``over`` is the claim whose place this one takes, if that one is open.
        Raises: BrokerUnavailable or Overloaded; a claim that was made all the same is released.
        """

    async def keep(self, use: bytes, claim: Claim, offsets: tuple[int | None, ...]) -> None:
        """Note the first answer, so that it need not be looked for."""

    async def release(self, use: bytes, claim: Claim, *, is_unused: bool) -> None:
        """Let others claim the key at once: whoever made this claim is done, without an answer.

        Shape:  unless the key is unused, only for the same body: something may have been stored.
        """


class SharedLimits(Protocol):
    """Limits that all processes count together."""

    async def take(self, tenant: str, count: int = 1) -> Verdict:
        """Take ``count`` of what a tenant may do, if all are there.

        Raises:  StreamingError where they cannot be asked.
        """


class HeldLimits(Protocol):
    """Limits that all processes count together, of which this one holds a part beforehand."""

    def take_held(self, tenant: str) -> Verdict | None:
        """Take one of what a tenant may do, without waiting; None when it has to be asked for.

        Shape:   one that is let in so never overtakes one that waits in ``take``.
        """

    async def take(self, tenant: str) -> Verdict:
        """Take one, asked for if it must be.

        Raises:  StreamingError where they cannot be asked.
        """


class SharedReaders(Protocol):
    """Readers that stay open, counted by all processes together, or by one alone."""

    async def open(self, tenant: str) -> bool:
        """Count one more, unless the tenant has its fill. Pairs with ``close``."""

    def close(self, tenant: str) -> None: ...


class KnownKeys(Protocol):
    """Issued keys, looked up for every request: nearly always without asking anybody."""

    async def find(self, key_id: str) -> IssuedKey | None:
        """Return what is kept of a key, as it was at most 30 s ago.

        Raises:  StreamingError where nobody can tell.
        """


class IssuedKeyStore(Protocol):
    """Where issued keys are kept; every process reads what any process wrote."""

    async def put(self, key: IssuedKey) -> None:
        """Store a key, new or changed.

        Shape:   a revocation is never taken back and an expiry never put off, whatever is put last.
        Raises:  BrokerUnavailable, OutcomeUnknown or Overloaded.
        """

    async def get(self, key_id: str) -> IssuedKey | None:
        """Return what is kept of a key now.

        Raises:  BrokerUnavailable or Overloaded.
        """

    async def all(self, tenant: str | None = None) -> list[IssuedKey]:
        """Return all keys, or those of a tenant, the oldest first.

        Raises:  BrokerUnavailable or Overloaded.
        """


class Kept(NamedTuple):
    """What all processes together remember, wherever that is; limits only if they share them.

    Shape:   ``leases`` are those limits for a process that asks for many requests at once, and
             ``takes`` the limits beside that of requests; ``keys`` are the issued keys.
    """

    streams: StreamStore
    claims: KeyClaims
    limits: SharedLimits | None = None
    leases: LeaseStore | None = None
    takes: SharedTakes | None = None
    keys: KnownKeys | None = None


class InputLog(Protocol):
    """The input topic, read only to find what became of a send."""

    async def ends(self, partition: int) -> Ends:
        """Ask Kafka now.

        Raises:  BrokerUnavailable.
        """

    async def landed(self, stream: Stream, names: Collection[str], claim: Claim) -> dict[str, int]:
        """Return the offsets of the records with these Idempotency-Key headers, of each the first.

        Shape:  looked for between ``claim.ends`` and what was sent shortly after ``claim.at``.
        Raises: BrokerUnavailable.
        """
