"""Repeats: records whose Idempotency-Key their stream has had within the last day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from hashlib import blake2b
from typing import Protocol

from streaming_runtime.processing.records import InputRecord

HEADER = "idempotency-key"
KEPT = timedelta(hours=24)
# Whatever a client writes into the header, an entry has this size. 128 bits collide by nobody's
# chance, and on purpose only in the stream of who tries.
NAME_BYTES = 16
STREAM_KEY_BYTES = 22


class KeyedState(Protocol):
    """The state of one partition: what a Quix transaction offers, as far as it is used."""

    def get_bytes(
        self, key: bytes, prefix: bytes, *, timestamp: int | None = None
    ) -> bytes | None: ...

    def set_bytes(
        self,
        key: bytes,
        value: bytes,
        prefix: bytes,
        *,
        timestamp: int | None = None,
        ttl: timedelta | None = None,
    ) -> None: ...


class Repeats:
    """Knows which key came with which input record, and so what came before.

    ``state_of`` gives the state of a partition; it is asked for records with a key only.
    """

    def __init__(self, state_of: Callable[[int], KeyedState], now_ms: Callable[[], int]) -> None:
        self._state_of = state_of
        self._now_ms = now_ms

    def holds(self, record: InputRecord, key: bytes) -> bool:
        """Say whether an earlier record of the stream had this key; if not, remember this one.

        The source stands beside the key: the very same record comes again after a crash, and its
        result may never have landed. A higher source can only be what a lost run has left.
        """
        state, name = self._state_of(record.partition), _name(record.key or b"", key)
        timestamp = self._time(record.timestamp)
        known = state.get_bytes(name, b"", timestamp=timestamp)
        if known is not None and int(known) <= record.offset:
            return int(known) < record.offset
        state.set_bytes(name, b"%d" % record.offset, b"", timestamp=timestamp, ttl=KEPT)
        return False

    def _time(self, timestamp: int) -> int:
        """Return a record's time, never one to come: it would make all that is kept look old."""
        now_ms = self._now_ms()
        return min(timestamp, now_ms) if timestamp >= 0 else now_ms


def _name(stream_key: bytes, key: bytes) -> bytes:
    assert len(stream_key) == STREAM_KEY_BYTES  # A fixed length, so that no two pairs look alike.
    return blake2b(stream_key + key, digest_size=NAME_BYTES).digest()
