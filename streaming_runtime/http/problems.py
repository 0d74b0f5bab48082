"""Our errors as RFC 9457 problem documents: one table from class to status."""

from __future__ import annotations

import random
from http import HTTPStatus
from typing import Any

import msgspec

from streaming_runtime.core import errors
from streaming_runtime.core.errors import StreamingError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = (1, 3)

STATUS: dict[type[StreamingError], HTTPStatus] = {
    errors.InvalidBody: HTTPStatus.BAD_REQUEST,
    errors.InvalidCursor: HTTPStatus.BAD_REQUEST,
    errors.InvalidParameter: HTTPStatus.BAD_REQUEST,
    errors.Unauthorized: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.UnknownStream: HTTPStatus.NOT_FOUND,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    errors.RequestTimeout: HTTPStatus.REQUEST_TIMEOUT,
    errors.StreamEnded: HTTPStatus.CONFLICT,
    errors.IdempotencyInProgress: HTTPStatus.CONFLICT,
    errors.PositionGone: HTTPStatus.GONE,
    errors.RecordTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.BatchTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.IdempotencyMismatch: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.HeadTooLarge: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ProcessingFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.BrokerUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.OutcomeUnknown: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
}


def status_of(error: StreamingError) -> int:
    return STATUS.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR).value


def document(error: StreamingError, request_id: str) -> dict[str, Any]:
    """Return the problem as an object.

    Source:  RFC 9457, section 3; members beyond it are the error's own (``earliest`` of a gap).
    """
    return {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": status_of(error),
        "detail": str(error),
        "code": error.code,
        "retriable": error.retriable,
        "request_id": request_id,
        **error.members,
    }


def encode(error: StreamingError, request_id: str) -> bytes:
    return msgspec.json.encode(document(error, request_id))


def document_alone(error: StreamingError, request_id: str) -> dict[str, Any]:
    """Return the problem for where no header stands beside it: with what Retry-After would say."""
    problem = document(error, request_id)
    if (seconds := error.headers.get("Retry-After")) is not None:
        problem["retry_after_seconds"] = int(seconds)
    return problem


def encode_alone(error: StreamingError, request_id: str) -> bytes:
    return msgspec.json.encode(document_alone(error, request_id))


def headers(error: StreamingError) -> dict[str, str]:
    """Return the headers that belong to a refusal besides its type and length."""
    own = dict(error.headers)
    if status_of(error) == HTTPStatus.SERVICE_UNAVAILABLE:
        # Jittered, so that clients refused together do not come back together.
        own.setdefault("Retry-After", str(random.randint(*RETRY_AFTER_SECONDS)))
    return own
