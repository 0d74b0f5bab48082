"""What the API document says of health, the pages and the documents themselves."""

from __future__ import annotations

from typing import Any

from streaming_runtime.core.errors import NotFound
from streaming_runtime.http.answers import HTML, JSON
from streaming_runtime.http.operations import Content, Operation, Parameter, Reply

STATE: dict[str, Any] = {"type": "object", "properties": {"status": {"type": "string"}}}
PARTS: dict[str, Any] = {
    "type": "object",
    "required": ["status", "parts"],
    "properties": {
        "status": {"enum": ["ready", "not ready"]},
        "parts": {
            "type": "object",
            "description": "Each part with `ok`, or with why it is not.",
            "additionalProperties": {"type": "string"},
        },
    },
}
READY = {"status": "ready", "parts": {"producer": "ok", "results": "ok", "server": "ok"}}
UNREADY = {"status": "not ready", "parts": {"producer": "ok", "server": "stopping"}}
PAGE = {"type": "string"}
DOCUMENT = {"type": "object"}

LIVE = Operation(
    operation_id="isAlive",
    tag="health",
    summary="Is the process alive?",
    description="Whoever answers is.",
    replies={200: Reply("It is.", (Content(JSON, STATE, {"alive": {"status": "alive"}}),))},
    is_guarded=False,
)
READINESS = Operation(
    operation_id="isReady",
    tag="health",
    summary="Can it serve clients now?",
    description="Names each part and why it is not ready.",
    replies={
        200: Reply("It can.", (Content(JSON, PARTS, {"ready": READY}),)),
        503: Reply(
            "It cannot, for now.", (Content(JSON, PARTS, {"stopping": UNREADY}),), ("Retry-After",)
        ),
    },
    is_guarded=False,
)


def page(operation_id: str, summary: str, *parameters: Parameter) -> Operation:
    """Return the operation of a page; one with a parameter can be missing."""
    return Operation(
        operation_id=operation_id,
        tag="pages",
        summary=summary,
        description="For people.",
        replies={200: Reply("The page.", (Content(HTML, PAGE),))},
        refusals=(NotFound,) if parameters else (),
        parameters=parameters,
        is_guarded=False,
    )


CONSOLE = page("getConsole", "The console: start a stream, send, watch")
DOCS = page("getDocs", "This document for people")
PROBLEMS = page("listProblems", "Every problem there is")
PROBLEM = page(
    "getProblem",
    "What a problem means and what to do about it",
    Parameter("code", "path", "The code of a problem.", {"type": "string"}, "rate-limited"),
)
FILE = Operation(
    operation_id="getFile",
    tag="pages",
    summary="A file of the pages",
    description="Scripts, styles and pictures.",
    replies={
        200: Reply(
            "The file.",
            tuple(
                Content(media_type, PAGE)
                for media_type in (
                    "text/javascript; charset=utf-8",
                    "text/css; charset=utf-8",
                    "image/svg+xml",
                )
            ),
        )
    },
    refusals=(NotFound,),
    parameters=(
        Parameter("file", "path", "The name of a file.", {"type": "string"}, "console.js"),
    ),
    is_guarded=False,
)


def document(operation_id: str, summary: str) -> Operation:
    """Return the operation of a document for tools."""
    return Operation(
        operation_id=operation_id,
        tag="documents",
        summary=summary,
        description="JSON, whatever Accept says.",
        replies={200: Reply("The document.", (Content(JSON, DOCUMENT),))},
        is_guarded=False,
    )


SCHEMA = document("getSchema", "The API as OpenAPI 3.1")
ASYNCAPI = document("getAsyncApi", "Streams, sockets and topics as AsyncAPI 3")
