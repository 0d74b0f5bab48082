"""Every error a client can meet: one class each, with its public code and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar


class StreamingError(Exception):
    """Base of the tree: ``code`` is the public name, ``retriable`` says if trying again can help.

    Shape:  ``str(error)`` is the text a client reads, so it is written by us and never foreign.
    """

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something failed on our side"
    retriable: ClassVar[bool] = False

    def __init__(self, detail: str | None = None, **members: object) -> None:
        super().__init__(detail or self.title)
        self.members = members
        self.headers: dict[str, str] = {}


class InvalidBody(StreamingError):
    code = "invalid-body"
    title = "The body cannot be accepted as it is"


class InvalidCursor(StreamingError):
    code = "invalid-cursor"
    title = "The cursor is not one of this stream"


class InvalidParameter(StreamingError):
    code = "invalid-parameter"
    title = "A query parameter or header has no usable value"


class Unauthorized(StreamingError):
    code = "unauthorized"
    title = "A valid credential is needed"


class Forbidden(StreamingError):
    code = "forbidden"
    title = "The credential does not allow this"


class UnknownStream(StreamingError):
    code = "unknown-stream"
    title = "There is no such stream"


class NotFound(StreamingError):
    code = "not-found"
    title = "There is nothing at this path"


class MethodNotAllowed(StreamingError):
    code = "method-not-allowed"
    title = "The path exists, the method does not"


class NotAcceptable(StreamingError):
    code = "not-acceptable"
    title = "No form of the answer fits the Accept header"


class RequestTimeout(StreamingError):
    code = "request-timeout"
    title = "The request did not arrive in time"
    retriable = True


class StreamEnded(StreamingError):
    code = "stream-ended"
    title = "The stream has ended"


class IdempotencyInProgress(StreamingError):
    code = "idempotency-in-progress"
    title = "The first request with this Idempotency-Key is still running"
    retriable = True


class IdempotencyMismatch(StreamingError):
    code = "idempotency-mismatch"
    title = "This Idempotency-Key was used with another body"


class PositionGone(StreamingError):
    code = "position-gone"
    title = "Results at this position exist no more"


class RecordTooLarge(StreamingError):
    code = "record-too-large"
    title = "A record is larger than 256 KiB"


class BatchTooLarge(StreamingError):
    code = "batch-too-large"
    title = "A batch holds more than 1,000 records or 1 MiB"


class HeadTooLarge(StreamingError):
    code = "head-too-large"
    title = "The request head is larger than 16 KiB or 64 fields"


class RateLimited(StreamingError):
    code = "rate-limited"
    title = "The limit of this client is used up for now"
    retriable = True


class BrokerUnavailable(StreamingError):
    """Certainly not stored."""

    code = "broker-unavailable"
    title = "Kafka cannot be reached now; nothing was stored"
    retriable = True


class OutcomeUnknown(StreamingError):
    """May be stored: nobody can tell until Kafka answers again."""

    code = "outcome-unknown"
    title = "Kafka did not answer in time; the record may be stored"
    retriable = True


class Overloaded(StreamingError):
    """Certainly not stored."""

    code = "overloaded"
    title = "Too much is under way; it was not stored"
    retriable = True


class ProcessingFailed(StreamingError):
    """A record that processing gave up on; it stands in a ``failed`` result, never in a status."""

    code = "processing-failed"
    title = "The record could not be processed"


class ConfigurationInvalid(Exception):
    """A setting is missing, unusable or contradicts another; the text names the variable."""


def every_error() -> list[type[StreamingError]]:
    """Return all concrete errors, for the tables and pages that must name each."""
    return sorted(StreamingError.__subclasses__(), key=lambda error: error.code)


@contextmanager
def translated(table: Mapping[type[BaseException], type[StreamingError]]) -> Iterator[None]:
    """Re-raise the driver errors named in ``table`` as ours, keeping the original as the cause.

    Shape:  the table is ordered, specific before general; the driver's text stays in the log.
    """
    try:
        yield
    except tuple(table) as exc:
        ours = next(ours for theirs, ours in table.items() if isinstance(exc, theirs))
        raise ours from exc
