"""The entries of the ``limits`` topic: what a process says of itself, and what it asks for."""

from __future__ import annotations

import msgspec

from streaming_runtime.core.entries import BadEntry
from streaming_runtime.core.lease_ledger import Entry

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
    counts = list((entry.left or {}).values())
    if entry.ask is not None:
        counts += [entry.ask.direct, entry.ask.ahead]
    if any(count < 0 for count in counts):
        raise BadEntry("nobody asks for less than nothing")
    return entry
