"""Sends with an Idempotency-Key: the first answer counts, on every replica, for 24 hours.

A send claims its key before its record goes to Kafka, and the record carries the key. So whoever
finds a claim whose answer is not known looks for the record: that is the first receipt, whatever
became of the process that sent it. When everything here fails, processing drops the repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from streaming_runtime.core.errors import (
    IdempotencyInProgress,
    IdempotencyMismatch,
    OutcomeUnknown,
    Overloaded,
    StreamEnded,
    StreamingError,
)
from streaming_runtime.core.model import Receipt, Stream
from streaming_runtime.core.ports import Claim, InputLog, KeyClaims
from streaming_runtime.core.sending import Sending

# Longer than the 24 h in which processing drops a repeat: a key must never count as new here while
# its record would be dropped there. The rest is for clocks that differ.
KEPT_MS = (24 * 60 + 10) * 60_000
# After this, whoever made a claim has answered or is gone: a send has 3 s.
TAKEOVER_MS = 5_000
SEND_SECONDS = 3.0
# What is left of a send's time is for its record.
CLAIM_SECONDS = 2.0
DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class KeyedSend:
    """One request with an Idempotency-Key.

    Shape:  ``records`` are those of the body, or what is wrong with each; ``names`` are what their
            headers hold, one for each.
    """

    stream: Stream
    use: bytes
    digest: bytes
    records: Sequence[bytes | StreamingError]
    names: Sequence[str]
    traceparent: str | None

    @classmethod
    def single(
        cls, stream: Stream, key: str, body: bytes, record: bytes, trace: str | None
    ) -> KeyedSend:
        return cls(stream, _use(stream, key), _digest(body), [record], [key], trace)

    @classmethod
    def batch(
        cls,
        stream: Stream,
        key: str,
        body: bytes,
        records: Sequence[bytes | StreamingError],
        trace: str | None,
    ) -> KeyedSend:
        # No key of a client holds a line feed, so no two requests give one name.
        names = [f"{key}\n{number}" for number in range(len(records))]
        return cls(stream, _use(stream, key), _digest(body), records, names, trace)

    def good(self) -> set[str]:
        """Return the names of the records that nothing is wrong with."""
        named = zip(self.names, self.records, strict=True)
        return {name for name, record in named if isinstance(record, bytes)}


class KeyedAnswer(NamedTuple):
    """What became of each record, and where results stood before the first of them."""

    outcomes: list[Receipt | StreamingError]
    results_end: int
    is_replayed: bool


class Looked(NamedTuple):
    """A key that has no answer yet: its claim that is to be replaced, and what it left in Kafka."""

    claim: Claim | None
    landed: dict[str, int]


class KeyedSending:
    """Sends what has an Idempotency-Key, or finds the first answer to it."""

    def __init__(self, sending: Sending, claims: KeyClaims, input_log: InputLog) -> None:
        self._sending = sending
        self._claims = claims
        self._input = input_log
        self._running: set[bytes] = set()

    async def send(self, send: KeyedSend) -> KeyedAnswer:
        """Store the records of a request once, and return what became of them the first time.

        Raises:  IdempotencyInProgress, IdempotencyMismatch, StreamEnded; BrokerUnavailable or
                 Overloaded (nothing was stored); OutcomeUnknown. All within SEND_SECONDS.
        """
        if not send.good():
            return KeyedAnswer([r for r in send.records if not isinstance(r, bytes)], 0, False)
        began = asyncio.get_running_loop().time()
        with _in_time():
            async with asyncio.timeout_at(began + CLAIM_SECONDS):
                looked = await self._look(send)
        if isinstance(looked, KeyedAnswer):
            return looked
        if send.use in self._running:
            raise _in_progress()
        self._running.add(send.use)
        try:
            with _in_time():
                async with asyncio.timeout_at(began + CLAIM_SECONDS):
                    claim = await self._claim(send, looked)
                    if not claim.is_mine:
                        return await self._answer_of_another(send, claim)
            outcomes = await self._produce(send, looked.landed, began + SEND_SECONDS)
            await self._settle(send, claim, outcomes)
        finally:
            self._running.discard(send.use)
        return KeyedAnswer(outcomes, claim.ends.results, is_replayed=False)

    async def _look(self, send: KeyedSend) -> KeyedAnswer | Looked:
        claim = await self._claims.find(send.use)
        try:
            if claim is None:
                self._sending.refuse_ended(send.stream)
        except StreamEnded:
            # Another replica may have answered it just before the end.
            claim = await self._claims.find_latest(send.use)
        looked = await self._first_answer(send, claim)
        if isinstance(looked, Looked) and not looked.landed:
            self._sending.refuse_ended(send.stream)
        return looked

    async def _first_answer(
        self, send: KeyedSend, claim: Claim | None, *, has_lost: bool = False
    ) -> KeyedAnswer | Looked:
        """Return the answer that a claim stands for, or what is to be known to give one."""
        if claim is None or claim.is_unused:
            return Looked(claim, {})
        if claim.digest != send.digest:
            raise IdempotencyMismatch
        if claim.offsets is not None:
            return _replayed(send, claim, claim.offsets)
        if send.use in self._running and not has_lost:
            raise _in_progress()
        landed = await self._input.landed(send.stream, send.good(), claim)
        if send.good() <= landed.keys():
            offsets = await self._before_end(send, landed)
            await self._claims.keep(send.use, claim, offsets)
            return _replayed(send, claim, offsets)
        if not claim.is_open:
            raise _in_progress()
        return Looked(claim, landed)

    async def _claim(self, send: KeyedSend, looked: Looked) -> Claim:
        if looked.claim is not None and looked.landed:
            ends = looked.claim.ends  # What has landed of an array must be found again.
        else:
            ends = await self._input.ends(send.stream.partition)
        return await self._claims.claim(send.use, send.digest, ends, looked.claim)

    async def _answer_of_another(self, send: KeyedSend, claim: Claim) -> KeyedAnswer:
        """Return the answer to the request that was faster, if it can be known by now."""
        looked = await self._first_answer(send, claim, has_lost=True)
        if isinstance(looked, Looked):
            raise _in_progress()
        return looked

    async def _before_end(self, send: KeyedSend, landed: dict[str, int]) -> tuple[int | None, ...]:
        """Return the offset of each record; None for those that nobody reads, behind the end."""
        offsets: list[int | None] = []
        for name, record in zip(send.names, send.records, strict=True):
            offset = landed[name] if isinstance(record, bytes) else None
            if offset is not None and await self._is_behind_end(send.stream, offset):
                offset = None
            offsets.append(offset)
        if len(offsets) == 1 and offsets[0] is None:
            raise StreamEnded
        return tuple(offsets)

    async def _is_behind_end(self, stream: Stream, offset: int) -> bool:
        try:
            await self._sending.check_before_end(stream, Receipt(stream.partition, offset))
        except StreamEnded:
            return True
        return False

    async def _produce(
        self, send: KeyedSend, landed: dict[str, int], deadline: float
    ) -> list[Receipt | StreamingError]:
        async def outcome(name: str, record: bytes | StreamingError) -> Receipt | StreamingError:
            if isinstance(record, StreamingError):
                return record
            if name in landed:
                return Receipt(send.stream.partition, landed[name])
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._sending.send(send.stream, record, send.traceparent, name)
            except StreamingError as failure:
                return failure
            except TimeoutError:
                return OutcomeUnknown()

        # Tasks start in order, so the records enter the producer in order.
        return await asyncio.gather(*map(outcome, send.names, send.records))

    async def _settle(
        self, send: KeyedSend, claim: Claim, outcomes: list[Receipt | StreamingError]
    ) -> None:
        """Keep an answer that is final; leave the key to the next request if it is not."""
        is_stored = any(isinstance(outcome, Receipt) for outcome in outcomes)
        is_unknown = any(isinstance(outcome, OutcomeUnknown) for outcome in outcomes)
        may_change = any(isinstance(o, StreamingError) and o.retriable for o in outcomes)
        if is_stored and not may_change:
            offsets = (o.offset if isinstance(o, Receipt) else None for o in outcomes)
            await self._claims.keep(send.use, claim, tuple(offsets))
        else:
            is_unused = not (is_stored or is_unknown)
            await self._claims.release(send.use, claim, is_unused=is_unused)


def _replayed(send: KeyedSend, claim: Claim, offsets: Sequence[int | None]) -> KeyedAnswer:
    outcomes: list[Receipt | StreamingError] = []
    for record, offset in zip(send.records, offsets, strict=True):
        if isinstance(record, StreamingError):
            outcomes.append(record)
        elif offset is None:
            outcomes.append(StreamEnded())
        else:
            outcomes.append(Receipt(send.stream.partition, offset))
    return KeyedAnswer(outcomes, claim.ends.results, is_replayed=True)


def _in_progress() -> IdempotencyInProgress:
    refusal = IdempotencyInProgress()
    refusal.headers["Retry-After"] = "1"
    return refusal


@contextmanager
def _in_time() -> Iterator[None]:
    """Say what a look that took too long means: the record was not even tried to be stored."""
    try:
        yield
    except TimeoutError:
        text = "The Idempotency-Key could not be looked up in time; nothing was stored"
        raise Overloaded(text) from None


def _use(stream: Stream, key: str) -> bytes:
    return _digest(f"{stream.stream_id}\n{key}".encode())


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=DIGEST_BYTES).digest()
