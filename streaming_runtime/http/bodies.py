"""Request bodies: how much of them is read, and what is in them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
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
from streaming_runtime.http.json_data import (
    MAX_DEPTH,
    MAX_EXPLANATION,
    NOT_JSON,
    check,
    check_text,
    decode,
)

MAX_DATA_BYTES = 256 << 10
MAX_BODY_BYTES = 1 << 20
# A processor's parameters travel with each record of its stream.
MAX_START_BYTES = 16 << 10
MAX_BATCH_RECORDS = 1_000
MAX_LABEL = 200
MAX_TTL_SECONDS = 10 * 365 * 86_400
# White space between tokens does not count as data, so a line may be longer than its record.
MAX_LINE_BYTES = MAX_DATA_BYTES + (64 << 10)
# What stands before the value of an object's only member.
FIRST_MEMBER = re.compile(rb'\s*\{\s*"(?:[^"\\]++|\\.)*+"\s*:\s*', re.DOTALL)


class SendBody(msgspec.Struct, forbid_unknown_fields=True):
    """One record to send: ``data`` stays the client's own bytes."""

    data: msgspec.Raw


class NoBody(msgspec.Struct, forbid_unknown_fields=True):
    """An object without members: a route that takes no body takes this one too."""


class StartBody(BaseModel):
    """What a stream is started with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    processor: Annotated[str, Field(min_length=1)] | dict[str, Any] | None = Field(
        default=None,
        description="A processor's name, or an object with its `name` and its parameters.",
        examples=["uppercase", {"name": "jmespath", "expression": "user.name"}],
    )
    label: Annotated[str, Field(max_length=MAX_LABEL)] | None = Field(
        default=None, description="A text of your own to recognise the stream by."
    )
    ttl_seconds: Annotated[int, Field(ge=1, le=MAX_TTL_SECONDS)] | None = Field(
        default=None, description="After this many seconds the stream ends by itself."
    )


ONE = msgspec.json.Decoder(SendBody)
MANY = msgspec.json.Decoder(list[msgspec.Raw])
NONE = msgspec.json.Decoder(NoBody)


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


async def read_body(
    receive: Receive, limit: int, oversized: Callable[[bytes], StreamingError]
) -> bytes:
    """Read a whole body of at most ``limit`` bytes.

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


def oversized_send(beginning: bytes) -> StreamingError:
    """Return the refusal of a body over MAX_BODY_BYTES: which one tells its first character."""
    return BatchTooLarge() if is_array(beginning) else RecordTooLarge()


def oversized_start(_: bytes) -> StreamingError:
    return InvalidBody(f"The body is larger than {MAX_START_BYTES >> 10} KiB")


def is_array(body: bytes) -> bool:
    return body.lstrip()[:1] == b"["


def parse_start(body: bytes) -> StartBody:
    """Read the body of a start; an empty one means all defaults.

    Raises:  InvalidBody.
    """
    if not body.strip():
        return StartBody()
    check(body, depth=MAX_DEPTH)
    try:
        parsed = json.loads(
            body, parse_constant=_refuse_constant, object_pairs_hook=_object_of_distinct
        )
        return StartBody.model_validate(parsed)
    except ValidationError as exc:
        raise InvalidBody(explain(exc)) from exc
    except (ValueError, RecursionError):
        raise InvalidBody(NOT_JSON) from None


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
    before = body.rstrip()[:-1].rstrip()[: -len(data)]
    if FIRST_MEMBER.fullmatch(before) is None:
        # Of two the decoder would take the last and drop the first without a word.
        raise InvalidBody("data is given twice")
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


def explain(failure: ValidationError) -> str:
    """Return what is wrong with a body, field by field, without the client's own values."""
    text = "; ".join(
        f"{'.'.join(map(str, error['loc'][:1])) or 'body'}: {error['msg']}"
        for error in failure.errors(include_url=False, include_context=False, include_input=False)
    )
    return text if len(text) <= MAX_EXPLANATION else "The body is not of the documented form"


def _object_of_distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise InvalidBody("A member is given twice")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
