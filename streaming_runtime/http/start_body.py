"""The body of a start: read into a model, since here clarity counts and not speed.

By itself, because pydantic takes longer to import than all else of a function but Litestar.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streaming_runtime.core.errors import InvalidBody, StreamingError
from streaming_runtime.http.json_data import MAX_DEPTH, MAX_EXPLANATION, NOT_JSON, check

# A processor's parameters travel with each record of its stream.
MAX_START_BYTES = 16 << 10
MAX_LABEL = 200
MAX_TTL_SECONDS = 10 * 365 * 86_400


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


def oversized_start(_: bytes) -> StreamingError:
    return InvalidBody(f"The body is larger than {MAX_START_BYTES >> 10} KiB")


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
