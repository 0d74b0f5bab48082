"""What the API document says of reading results."""

from __future__ import annotations

import json
from typing import Any

from streaming_runtime.core.errors import (
    InvalidCursor,
    NotAcceptable,
    Overloaded,
    PositionGone,
    UnknownStream,
)
from streaming_runtime.core.positions import (
    DEFAULT_PAGE,
    MAX_ENDLESS_LIMIT,
    MAX_TAIL,
    MAX_WAIT_SECONDS,
)
from streaming_runtime.http.answers import EVENT_STREAM, JSON, NDJSON
from streaming_runtime.http.examples import CURSOR_ID, RESULT, STREAM_ID
from streaming_runtime.http.operations import Content, Operation, Parameter, Reply
from streaming_runtime.http.schemas import CURSOR, STREAM, ref

LINE = json.dumps(RESULT)
EVENTS = f"retry: 1700\nid: {CURSOR_ID}\n\nid: {CURSOR_ID}\ndata: {LINE}\n\n:\n"
LINES = json.dumps({"control": "position", "cursor": CURSOR_ID, "retry_ms": 1700}) + f"\n{LINE}\n"


def _query(name: str, description: str, schema: dict[str, Any]) -> Parameter:
    return Parameter(name, "query", description, schema)


RESULTS = Operation(
    operation_id="readResults",
    scope="read",
    takes_ticket=True,
    tag="results",
    summary="Read results",
    description=(
        "The form is chosen by `Accept`; without it, it is an event stream. The position is "
        "`Last-Event-ID`, else one of `cursor`, `from`, `since` and `tail`, else the stream's "
        "start. Where a client accepts `text/event-stream` by name, 429 and 503 come as status "
        "200 with `retry:`, `event: error` and the end of the answer, because EventSource would "
        "give up for good; `strict=1` gives the true status. On the streamed forms a position "
        "that is gone is told by `event: gap`, on a page by 410 with `earliest`. Where the "
        "stream's start was asked for, a page has what still exists, and `gap` beside it."
    ),
    parameters=(
        Parameter("stream_id", "path", "The stream.", STREAM, STREAM_ID),
        Parameter(
            "Last-Event-ID",
            "header",
            "The cursor to go on at; an empty one is none.",
            {"anyOf": [CURSOR, {"const": ""}]},
        ),
        _query("cursor", "The cursor to go on at.", CURSOR),
        _query("from", "Where to begin.", {"enum": ["start", "now"], "default": "start"}),
        _query(
            "since",
            "Results processed at or after this moment.",
            {"type": "string", "format": "date-time"},
        ),
        _query(
            "tail",
            "The last N results first.",
            {"type": "integer", "minimum": 1, "maximum": MAX_TAIL},
        ),
        _query("until", "`now`: stop where the log ends now.", {"const": "now"}),
        _query(
            "limit",
            f"Stop after so many results, across reconnects. On a page its size: 1 to 1,000, "
            f"default {DEFAULT_PAGE}.",
            {"type": "integer", "minimum": 1, "maximum": MAX_ENDLESS_LIMIT},
        ),
        _query(
            "wait",
            "On a page: wait so many seconds for a first result.",
            {"type": "integer", "minimum": 0, "maximum": MAX_WAIT_SECONDS, "default": 0},
        ),
        _query("strict", "`1`: never 200 instead of 429 or 503.", {"const": "1"}),
    ),
    replies={
        200: Reply(
            "Results, in one of three forms.",
            (
                Content(
                    EVENT_STREAM,
                    {"type": "string", "description": "Each event's `data` is a Result."},
                    {"events": EVENTS},
                ),
                Content(
                    NDJSON,
                    {"type": "string", "description": "A Result or a control object a line."},
                    {"lines": LINES},
                ),
                Content(
                    JSON,
                    ref("ResultPage"),
                    {"page": {"results": [RESULT], "cursor": CURSOR_ID, "end": False}},
                ),
            ),
        ),
        204: Reply("The reading is over: past the stream's end, or at its own limit."),
    },
    refusals=(InvalidCursor, UnknownStream, NotAcceptable, PositionGone, Overloaded),
)
