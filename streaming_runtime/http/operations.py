"""What a route says of itself: enough to write OpenAPI from, and to check its answers against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from streaming_runtime.core import errors
from streaming_runtime.core.errors import StreamingError
from streaming_runtime.core.principals import Scope

Schema = Mapping[str, Any]

# What any request can meet before its route sees it, and whatever the route is.
EVERYWHERE: tuple[type[StreamingError], ...] = (
    errors.InvalidParameter,
    errors.RequestTimeout,
    errors.HeadTooLarge,
    StreamingError,
)
# What any request meets that needs a credential.
GUARDED: tuple[type[StreamingError], ...] = (
    errors.Unauthorized,
    errors.Forbidden,
    errors.RateLimited,
    errors.BrokerUnavailable,
)


@dataclass(frozen=True, slots=True)
class Content:
    """A body in one media type, with examples by name."""

    media_type: str
    schema: Schema
    examples: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is no refusal; ``headers`` name those of the document."""

    description: str
    contents: Sequence[Content] = ()
    headers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the path, the query or the head."""

    name: str
    place: Literal["path", "query", "header"]
    description: str
    schema: Schema
    example: Any = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    Shape:  ``refusals`` are those of this route; what every route can meet is added to them.
            ``scope`` is what a credential needs, on a route that needs one.
    """

    operation_id: str
    tag: str
    summary: str
    description: str
    replies: Mapping[int, Reply]
    refusals: Sequence[type[StreamingError]] = ()
    parameters: Sequence[Parameter] = ()
    body: Sequence[Content] = ()
    is_body_required: bool = False
    is_guarded: bool = True
    scope: Scope | None = None
    takes_ticket: bool = False

    def all_refusals(self) -> list[type[StreamingError]]:
        """Return every error this route can answer with, each once."""
        shared = EVERYWHERE + (GUARDED if self.is_guarded else ())
        return list(dict.fromkeys((*self.refusals, *shared)))
