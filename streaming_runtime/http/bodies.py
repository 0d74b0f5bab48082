"""Request bodies: how much of them is read, and what is in them."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
from litestar.types import Receive
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streaming_runtime.core.errors import (
    BatchTooLarge,
    InvalidBody,
    RecordTooLarge,
    StreamingError,
)
from streaming_runtime.http.json_data import MAX_DEPTH, check_text, decode, is_shallow

MAX_DATA_BYTES = 256 << 10
MAX_BODY_BYTES = 1 << 20
MAX_START_BYTES = 64 << 10
MAX_BATCH_RECORDS = 1_000
MAX_TTL_SECONDS = 10 * 365 * 86_400
LINE_ENVELOPE_BYTES = 64 << 10
MAX_LINE_BYTES = MAX_DATA_BYTES + LINE_ENVELOPE_BYTES


class SendBody(msgspec.Struct, forbid_unknown_fields=True):
    """One record to send: ``data`` stays the client's own bytes."""

    data: msgspec.Raw


class StartBody(BaseModel):
    """What a stream is started with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    processor: str | dict[str, Any] | None = Field(
        default=None,
        description="A processor's name, or an object with its `name` and its parameters.",
        examples=["uppercase", {"name": "jmespath", "expression": "user.name"}],
    )
    label: Annotated[str, Field(max_length=200)] | None = Field(
        default=None, description="A text of your own to recognise the stream by."
    )
    ttl_seconds: Annotated[int, Field(ge=1, le=MAX_TTL_SECONDS)] | None = Field(
        default=None, description="After this many seconds the stream ends by itself."
    )


ONE = msgspec.json.Decoder(SendBody)
MANY = msgspec.json.Decoder(list[msgspec.Raw])


async def read_body(receive: Receive, limit: int, error: type[StreamingError]) -> bytes:
    """Read a whole body of at most ``limit`` bytes.

    Raises:  ``error`` as soon as more has come; ClientGone when the client left.
    """
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGone
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise error
        chunks.append(chunk)
        if not event.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


def parse_start(body: bytes) -> StartBody:
    """Read the body of a start; an empty one means all defaults.

    Raises:  InvalidBody.
    """
    if not body.strip():
        return StartBody()
    check_text(body)
    if not is_shallow(body, MAX_DEPTH):
        raise InvalidBody(f"The JSON is nested deeper than {MAX_DEPTH} levels")
    try:
        parsed = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidBody("The body is not valid JSON") from None
    try:
        start = StartBody.model_validate(parsed)
    except ValidationError as exc:
        raise InvalidBody(explain(exc)) from exc
    if start.label is not None and not start.label.isprintable():
        raise InvalidBody("label: may hold printable characters only")
    return start


def parse_record(body: bytes) -> bytes:
    """Return the ``data`` of one record as the client wrote it.

    Raises:  InvalidBody; RecordTooLarge.
    """
    data = bytes(decode(ONE, body, depth=MAX_DEPTH + 1).data)
    if len(data) > MAX_DATA_BYTES:
        raise RecordTooLarge
    return data


def parse_batch(body: bytes) -> list[bytes | StreamingError]:
    """Return the data of each record of a JSON array, or what is wrong with that one.

    Raises:  InvalidBody if it is no array, is empty or is not JSON; BatchTooLarge.
    """
    records = decode(MANY, body, depth=MAX_DEPTH + 2)
    if not records:
        raise InvalidBody("A batch holds 1 to 1,000 records")
    if len(records) > MAX_BATCH_RECORDS:
        raise BatchTooLarge
    return [judged(bytes(record)) for record in records]


def judged(record: bytes) -> bytes | StreamingError:
    """Return a record's data, or the reason why it is refused."""
    try:
        return parse_record(record)
    except StreamingError as exc:
        return exc


def explain(failure: ValidationError) -> str:
    """Return what is wrong with a body, field by field, without the client's own data."""
    return "; ".join(
        f"{'.'.join(map(str, error['loc'][:1])) or 'body'}: {error['msg']}"
        for error in failure.errors(include_url=False, include_context=False, include_input=False)
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
