"""Entries of the idempotency topic: a claim of a key, and the release of one."""

from __future__ import annotations

import msgspec

from streaming_runtime.core.entries import BadEntry

USE_BYTES = 16


class Claimed(msgspec.Struct, frozen=True, tag_field="kind", tag="claim"):
    """A process wants a key for one body.

    Shape:   ``by`` is the process and ``number`` its claim; ``input`` and ``results`` are the ends
             of the stream's partition before the record; ``over`` is the claim to be replaced.
    """

    by: str
    number: int
    digest: str
    input: int
    results: int
    over: int | None = None


class Released(msgspec.Struct, frozen=True, tag_field="kind", tag="release"):
    """Whoever made the claim at offset ``claim`` is done with it, without an answer to replay."""

    by: str
    claim: int
    is_unused: bool


ENCODER = msgspec.json.Encoder()
DECODER = msgspec.json.Decoder(Claimed | Released)


def encode(entry: Claimed | Released) -> bytes:
    return ENCODER.encode(entry)


def decode(key: bytes | None, value: bytes | None) -> tuple[bytes, Claimed | Released]:
    """Read an entry: which key of which stream it is about, hashed, and what it says.

    Raises:  BadEntry.
    """
    try:
        use = bytes.fromhex((key or b"").decode("ascii"))
        entry = DECODER.decode(value or b"")
        if isinstance(entry, Claimed):
            bytes.fromhex(entry.digest)
    except (ValueError, msgspec.MsgspecError) as exc:
        raise BadEntry("not an entry of ours") from exc
    if len(use) != USE_BYTES:
        raise BadEntry("the key is no hash of ours")
    return use, entry
