"""What the API document says of starting."""

from __future__ import annotations

from streaming_runtime.core.errors import InvalidBody, OutcomeUnknown
from streaming_runtime.http.answers import JSON
from streaming_runtime.http.examples import STARTED
from streaming_runtime.http.operations import Content, Operation, Reply
from streaming_runtime.http.schemas import ref

START = Operation(
    operation_id="startStream",
    scope="start",
    tag="streams",
    summary="Start a stream",
    description=(
        "Everything has a default, so the body may be empty. The body is read as JSON whatever "
        "its Content-Type. After `ttl_seconds` the stream ends by itself."
    ),
    body=(
        Content(
            JSON,
            ref("StartBody"),
            {
                "defaults": {},
                "named": {"processor": "uppercase", "label": "orders", "ttl_seconds": 3600},
                "with parameters": {
                    "processor": {"name": "jmespath", "expression": "order.total"},
                },
            },
        ),
    ),
    replies={
        201: Reply(
            "The stream is there, for every replica.",
            (
                Content(
                    JSON,
                    ref("Started"),
                    {"started": STARTED},
                ),
            ),
        )
    },
    refusals=(InvalidBody, OutcomeUnknown),
)
