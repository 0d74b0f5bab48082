"""Request bodies: how much of them is read, and what is in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from litestar.types import Receive

from streaming_runtime.core.errors import (
    BatchTooLarge,
    InvalidBody,
    RecordTooLarge,
    RequestTimeout,
    StreamingError,
)
from streaming_runtime.http.json_data import (
    MAX_DEPTH,
    check,
    check_text,
    decode,
)

MAX_DATA_BYTES = 256 << 10
# A body may take this long, or longer if it comes at this rate.
BODY_SECONDS = 15.0
MIN_BODY_BYTES_PER_SECOND = 1 << 10
MAX_BODY_BYTES = 1 << 20
MAX_BATCH_RECORDS = 1_000
# White space between tokens does not count as data, so a line may be longer than its record.
MAX_LINE_BYTES = MAX_DATA_BYTES + (64 << 10)
# How nearly every record begins.
PLAIN = b'{"data":'
NAME = b'"data"'
# What stands before the value of an object's only member.
FIRST_MEMBER = re.compile(rb'\s*\{\s*"(?:[^"\\]++|\\.)*+"\s*:\s*', re.DOTALL)


class SendBody(msgspec.Struct, forbid_unknown_fields=True):
    """One record to send: ``data`` stays the client's own bytes."""

    data: msgspec.Raw


class NoBody(msgspec.Struct, forbid_unknown_fields=True):
    """An object without members: a route that takes no body takes this one too."""


ONE = msgspec.json.Decoder(SendBody)
MANY = msgspec.json.Decoder(list[msgspec.Raw])
NONE = msgspec.json.Decoder(NoBody)


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


async def read_body(
    receive: Receive, limit: int, oversized: Callable[[bytes], StreamingError]
) -> bytes:
    """Read a whole body of at most ``limit`` bytes; how long it may take is the server's affair.

    Raises:  what ``oversized`` makes of what has come, as soon as it is more; ClientGone.
    """
    chunks: list[bytes] = []
    size = 0
    while True:
        event: Any = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGone
        chunk = event.get("body", b"")
        size += len(chunk)
        chunks.append(chunk)
        if size > limit:
            raise oversized(b"".join(chunks))
        if not event.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def timed_out() -> RequestTimeout:
    """Return the refusal of a body that does not come; what still comes of it is not read."""
    error = RequestTimeout()
    error.headers["Connection"] = "close"
    return error


def oversized_send(beginning: bytes) -> StreamingError:
    """Return the refusal of a body over MAX_BODY_BYTES: which one tells its first character."""
    return BatchTooLarge() if is_array(beginning) else RecordTooLarge()


def is_array(body: bytes) -> bool:
    return body.lstrip()[:1] == b"["


def parse_nothing(body: bytes) -> None:
    """Accept an empty body, or an empty object.

    Raises:  InvalidBody.
    """
    if body.strip():
        decode(NONE, body)


def parse_record(body: bytes) -> bytes:
    """Return the ``data`` of one record as the client wrote it.

    Raises:  InvalidBody; RecordTooLarge.
    """
    check(body, depth=MAX_DEPTH + 1)
    data = bytes(decode(ONE, body).data)
    if body.startswith(PLAIN) and body.count(NAME) == 1 and b"\\" not in body:
        # As nearly all are: without an escape the name can stand there in no other way.
        return _sized(data)
    before = body.rstrip()[:-1].rstrip()[: -len(data)]
    if FIRST_MEMBER.fullmatch(before) is None:
        # Of two the decoder would take the last and drop the first without a word.
        raise InvalidBody("data is given twice")
    return _sized(data)


def _sized(data: bytes) -> bytes:
    if len(data) > MAX_DATA_BYTES:
        raise RecordTooLarge
    return data


def parse_batch(body: bytes) -> list[bytes | StreamingError]:
    """Return the data of each record of a JSON array, or what is wrong with that one.

    Raises:  InvalidBody if it is no array, is empty or is no JSON text; BatchTooLarge.
    """
    check_text(body)
    records = decode(MANY, body)
    if not records:
        raise InvalidBody(f"A batch holds 1 to {MAX_BATCH_RECORDS:,} records")
    if len(records) > MAX_BATCH_RECORDS:
        raise BatchTooLarge
    return [judged(bytes(record)) for record in records]


def judged(record: bytes) -> bytes | StreamingError:
    """Return a record's data, or the reason why it is refused."""
    try:
        return parse_record(record)
    except StreamingError as exc:
        return exc
