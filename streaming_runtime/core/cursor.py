"""The cursor: where a reader goes on, sealed to its stream so that nobody can make one up."""

from __future__ import annotations

import hashlib
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from dataclasses import dataclass, replace

from streaming_runtime.core.errors import InvalidCursor
from streaming_runtime.core.model import Height, Position

VERSION = 1
MAX_CURSOR_BYTES = 128
NO_LIMIT = 0xFFFFFFFF
NO_UNTIL = 0xFFFFFFFFFFFFFFFF
# Version, incarnation, next results offset, height (offset, part), limit left, until, then the tag.
# 48 bytes in all: a multiple of 3, so base64 has no spare bits in which a change could hide.
FIELDS = struct.Struct(">B6sQqHIQ")
TAG_BYTES = 11


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in one incarnation of the results log, and what bounds the reading.

    Shape:  ``limit`` is how many results may still come; ``until`` the results offset to stop at.
    """

    incarnation: str
    position: Position
    limit: int | None = None
    until: int | None = None

    def at(self, position: Position, spent: int = 0) -> Cursor:
        """Return the cursor after ``spent`` more results, standing at ``position``."""
        limit = None if self.limit is None else self.limit - spent
        return replace(self, position=position, limit=limit)

    def is_reached(self) -> bool:
        """Say whether the reading has come to its limit or to its ``until``."""
        return self.limit == 0 or (self.until is not None and self.position.offset >= self.until)


class CursorSeal:
    """Encodes and decodes cursors under one secret.

    Source:  DESIGN, section 2; keyed BLAKE2b (RFC 7693) takes 1 microsecond where HMAC takes 3.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.sha256(b"millrace cursor\0" + secret).digest()

    def encode(self, stream_id: str, cursor: Cursor) -> str:
        """Return the cursor as 64 characters of ``A-Za-z0-9_-``."""
        fields = _pack(cursor)
        return urlsafe_b64encode(fields + self._tag(stream_id, fields)).decode("ascii")

    def decode(self, stream_id: str, text: str) -> Cursor:
        """Read a cursor that a client sent back for this stream.

        Raises:  InvalidCursor if any character was changed, or it belongs to another stream.
        """
        # Length and alphabet first: what follows must never see megabytes or non-ASCII digits.
        if len(text) > MAX_CURSOR_BYTES or not text.isascii():
            raise InvalidCursor
        try:
            raw = urlsafe_b64decode(text)
        except (BadBase64, ValueError):
            raise InvalidCursor from None
        fields, tag = raw[: FIELDS.size], raw[FIELDS.size :]
        # Encoding again refuses what the decoder forgives: padding, and characters it skips.
        if len(raw) != FIELDS.size + TAG_BYTES or urlsafe_b64encode(raw).decode() != text:
            raise InvalidCursor
        if not hmac.compare_digest(tag, self._tag(stream_id, fields)) or fields[0] != VERSION:
            raise InvalidCursor
        return _unpack(fields)

    def _tag(self, stream_id: str, fields: bytes) -> bytes:
        sealed = stream_id.encode() + b"\0" + fields
        return hashlib.blake2b(sealed, digest_size=TAG_BYTES, key=self._key).digest()


def _pack(cursor: Cursor) -> bytes:
    (offset, height), limit, until = cursor.position, cursor.limit, cursor.until
    return FIELDS.pack(
        VERSION,
        urlsafe_b64decode(cursor.incarnation),
        offset,
        height.offset,
        height.part,
        NO_LIMIT if limit is None else limit,
        NO_UNTIL if until is None else until,
    )


def _unpack(fields: bytes) -> Cursor:
    _, incarnation, offset, height, part, limit, until = FIELDS.unpack(fields)
    return Cursor(
        incarnation=urlsafe_b64encode(incarnation).decode(),
        position=Position(offset, Height(height, part)),
        limit=None if limit == NO_LIMIT else limit,
        until=None if until == NO_UNTIL else until,
    )
