"""WebSocket close codes: the code alone tells a client whether to come back with its cursor."""

from __future__ import annotations

from streaming_runtime.core import errors
from streaming_runtime.core.errors import StreamingError

ENDED = 1000
RESTART = 1012
BAD_MESSAGE = 4400
CREDENTIAL = 4401
ORIGIN = 4403
UNKNOWN_STREAM = 4404
TOO_SLOW = 4408
LIMITED = 4429

COME_BACK = frozenset({RESTART, TOO_SLOW, LIMITED})

# What is not here is an outage of ours or of Kafka's: come back.
OF_ERROR: dict[type[StreamingError], int] = {
    errors.InvalidBody: BAD_MESSAGE,
    errors.InvalidCursor: BAD_MESSAGE,
    errors.InvalidParameter: BAD_MESSAGE,
    errors.Unauthorized: CREDENTIAL,
    errors.Forbidden: CREDENTIAL,
    errors.UnknownStream: UNKNOWN_STREAM,
    errors.NotFound: UNKNOWN_STREAM,
    errors.RateLimited: LIMITED,
    errors.Overloaded: LIMITED,
}


def code_of(error: StreamingError) -> int:
    return OF_ERROR.get(type(error), RESTART)
