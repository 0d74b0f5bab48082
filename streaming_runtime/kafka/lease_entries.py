"""The entries of the ``limits`` topic: what a process says of itself, and what it asks for."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from streaming_runtime.core.entries import BadEntry
from streaming_runtime.core.lease_ledger import Entry
from streaming_runtime.core.takes import size_of

ENTRIES = msgspec.json.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    return msgspec.json.encode(entry)


def decode(value: bytes | None) -> Entry:
    """Read an entry.

    Raises:  BadEntry for what nobody of us has written.
    """
    try:
        entry = ENTRIES.decode(value or b"")
    except msgspec.MsgspecError as exc:
        raise BadEntry(str(exc)) from None
    if any(count < 0 for count in _counts(entry)):
        raise BadEntry("nobody asks for less than nothing")
    try:
        for bucket in _buckets(entry):
            size_of(bucket)
    except ValueError as exc:
        raise BadEntry(f"no bucket: {exc}") from None
    return entry


def _counts(entry: Entry) -> Iterator[int]:
    yield from entry.holds.values()
    yield from entry.opens.values()
    yield from entry.debts.values()
    if entry.ask is not None:
        yield entry.ask.direct
        yield entry.ask.ahead
    for takes in entry.takes:
        yield from (take.tokens for take in takes)
    if entry.left is not None:
        yield from entry.left.requests.values()


def _buckets(entry: Entry) -> Iterator[str]:
    yield from entry.opens
    yield from entry.debts
    for takes in entry.takes:
        yield from (take.bucket for take in takes)
    if entry.left is not None:
        yield from entry.left.further
