"""The JSON of the contract as schemas, by the names that OpenAPI gives them."""

from __future__ import annotations

from typing import get_args, get_type_hints

from streaming_runtime.core.errors import StreamingError, every_error
from streaming_runtime.core.reading import Gap
from streaming_runtime.core.tickets import DEFAULT_SECONDS, MAX_SECONDS, USES
from streaming_runtime.http.bodies import MAX_BATCH_RECORDS
from streaming_runtime.http.schemas import (
    ANYTHING,
    CURSOR,
    MOMENT,
    PROCESSOR,
    RECORD_ID,
    SOURCE,
    STREAM,
    TEXT,
    WHOLE,
    Schema,
    ref,
)
from streaming_runtime.http.start_body import StartBody


def components() -> dict[str, Schema]:
    """Return every named schema."""
    return {
        "StartBody": _start_body(),
        "SendBody": _object({"data": ANYTHING}) | {"additionalProperties": False},
        "SendBatch": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_BATCH_RECORDS,
            "items": ref("SendBody"),
        },
        "EndBody": {"type": "object", "additionalProperties": False},
        "TicketBody": _ticket_body(),
        "Ticket": _object(
            {
                "ticket": {"type": "string", "pattern": r"^[A-Za-z0-9._-]+$"},
                "use": {"enum": list(USES)},
                "expires_in": {**WHOLE, "description": "Seconds."},
            }
        ),
        "Started": _started(),
        "Stream": _stream(),
        "StreamPage": _object(
            {
                "streams": {"type": "array", "items": ref("Stream")},
                "after": {"type": ["string", "null"], "description": "Token of the next page."},
            }
        ),
        "Receipt": _object(
            {"stream_id": STREAM, "record_id": RECORD_ID, "partition": WHOLE, "offset": WHOLE}
        ),
        "BatchOutcome": _batch_outcome(),
        "Result": {
            "oneOf": [ref("ResultOfRecord"), ref("FailedResult"), ref("EndResult")],
            "discriminator": {
                "propertyName": "kind",
                "mapping": {
                    "result": "#/components/schemas/ResultOfRecord",
                    "failed": "#/components/schemas/FailedResult",
                    "end": "#/components/schemas/EndResult",
                },
            },
        },
        "ResultOfRecord": _result("result", data=ANYTHING),
        "FailedResult": _result("failed", error=ref("ProcessingProblem")),
        "EndResult": _result("end", data={"type": "null"}),
        "ResultPage": _result_page(),
        "Problem": _problem(),
        "ProcessingProblem": _object(_problem_members(["processing-failed"])),
    }


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _result_page() -> Schema:
    page = _object(
        {
            "results": {"type": "array", "items": ref("Result")},
            "cursor": CURSOR,
            "end": {"type": "boolean", "description": "Nothing more will come behind it."},
        }
    )
    gap = _object(
        {
            "requested": {"type": "null"},
            "earliest": CURSOR,
            "reason": {"enum": list(get_args(get_type_hints(Gap)["reason"]))},
        }
    )
    gap["description"] = "Only where the stream's start was asked for and is gone."
    page["properties"]["gap"] = gap
    return page


def _start_body() -> Schema:
    schema = StartBody.model_json_schema()
    # The docstring is for us; what stands in the document is for clients.
    schema["description"] = "What the stream is started with; everything has a default."
    return schema


def _ticket_body() -> Schema:
    seconds = {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_SECONDS,
        "default": DEFAULT_SECONDS,
        "description": "Only for `eventsource`: one for a socket lasts 30 s.",
    }
    return {
        "type": "object",
        "properties": {
            "use": {"enum": list(USES), "default": "eventsource"},
            "ttl_seconds": seconds,
        },
        "additionalProperties": False,
    }


def _started() -> Schema:
    path = {"type": "string", "pattern": "^/stream/", "description": "An absolute path."}
    return _object(
        {
            "stream_id": STREAM,
            "processor": PROCESSOR,
            "created_at": MOMENT,
            "send_url": path,
            "results_url": path,
            "websocket_url": path,
        }
    )


def _stream() -> Schema:
    return _object(
        {
            "stream_id": STREAM,
            "processor": PROCESSOR,
            "label": {"type": ["string", "null"]},
            "created_at": MOMENT,
            "ttl_seconds": {"type": ["integer", "null"]},
            "ended_at": {**MOMENT, "type": ["string", "null"]},
        }
    )


def _batch_outcome() -> Schema:
    one = {"oneOf": [ref("Receipt"), ref("Problem")]}
    records = {"type": "array", "items": one, "description": "In the order of the request."}
    return _object({"accepted": WHOLE, "failed": WHOLE, "records": records})


def _result(kind: str, **payload: Schema) -> Schema:
    return _object(
        {
            "id": CURSOR,
            "stream_id": STREAM,
            "kind": {"const": kind},
            "source": SOURCE,
            **payload,
            "sent_at": MOMENT,
            "processed_at": MOMENT,
        }
    )


def _problem() -> Schema:
    codes = [StreamingError.code, *(error.code for error in every_error())]
    members = _problem_members(codes)
    members["status"] = {"type": "integer", "minimum": 400, "maximum": 599}
    members["request_id"] = TEXT
    return {**_object(members), "description": "RFC 9457."}


def _problem_members(codes: list[str]) -> dict[str, Schema]:
    return {
        "type": {"type": "string", "pattern": "^/problems/[a-z-]+$"},
        "title": TEXT,
        "detail": TEXT,
        "code": {"type": "string", "enum": sorted(codes)},
        "retriable": {"type": "boolean", "description": "Whether trying again can help."},
    }
