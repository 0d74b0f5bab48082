"""What a reader is told instead of results, in a way its client survives."""

from __future__ import annotations

from streaming_runtime.core.errors import StreamingError
from streaming_runtime.http import problems
from streaming_runtime.http.answers import EVENT_STREAM, Answer
from streaming_runtime.http.edge import Exchange
from streaming_runtime.http.event_forms import FORMS, STREAM_HEADERS, jittered_ms

PASSING = (429, 503)
# Over the time that the refusal itself asks for.
SPREAD_MS = (500, 2_500)


def as_event(refusal: StreamingError, exchange: Exchange) -> Answer | None:
    """Return a refusal that will pass as an event stream that ends at once, None for another.

    EventSource gives up for good on any status but 200, so a client that was only too early would
    never come back.

    Source:  WHATWG HTML, section 9.2.3 (fail the connection).
    """
    if problems.status_of(refusal) not in PASSING:
        return None
    exchange.code = refusal.code
    headers = problems.headers(refusal)
    wait_ms = 1_000 * int(headers.pop("Retry-After", "1"))
    event = FORMS[EVENT_STREAM].error(
        problems.encode(refusal, exchange.request_id), wait_ms + jittered_ms(*SPREAD_MS)
    )
    return Answer(event, media_type=EVENT_STREAM, headers={**headers, **STREAM_HEADERS})


def is_strict(query_string: bytes) -> bool:
    """Say whether a client asks for the true status: one that is no browser can handle it."""
    return b"strict=1" in query_string.split(b"&")
