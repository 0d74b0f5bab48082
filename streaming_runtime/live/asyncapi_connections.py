"""The connections of the AsyncAPI document: the event stream and the bidirectional WebSocket."""

from __future__ import annotations

import json
from typing import Any, get_args, get_type_hints

import msgspec

from streaming_runtime.core.errors import BrokerUnavailable, InvalidBody
from streaming_runtime.core.model import Receipt
from streaming_runtime.core.positions import MAX_ENDLESS_LIMIT, MAX_TAIL
from streaming_runtime.core.reading import Gap
from streaming_runtime.http import problems, schemas
from streaming_runtime.http.event_forms import EXPIRING
from streaming_runtime.http.examples import CURSOR_ID, RECEIPT, REQUEST_ID, RESULT, STREAM_ID
from streaming_runtime.http.schemas import CURSOR, Schema
from streaming_runtime.live import close_codes, first_message, frames
from streaming_runtime.live.asyncapi_topics import GIVEN_UP

ADDRESS = "/stream/{stream_id}/results"
RESULTS = {"result": "ResultOfRecord", "failed": "FailedResult", "end": "EndResult"}
RETRY: Schema = {"type": "integer", "minimum": 0, "description": "Milliseconds."}
REF: Schema = {"description": "Any JSON of the client's, sent back as it came; null without one."}

FAILED: dict[str, Any] = {
    **{name: value for name, value in RESULT.items() if name != "data"},
    "kind": "failed",
    "error": GIVEN_UP,
}
END: dict[str, Any] = {**RESULT, "kind": "end", "source": "7-1043", "data": None}
SHOWN = {"result": RESULT, "failed": FAILED, "end": END}
LOST = Gap(None, CURSOR_ID, "retention")

CLOSES = {
    close_codes.ENDED: "the stream has ended, or the reading has come to its limit or until",
    close_codes.RESTART: "the connection is rotated, or we restart: come back with the cursor",
    close_codes.TOO_SLOW: "the reader was too slow: come back with the cursor",
    close_codes.LIMITED: "a limit is used up: come back later with the cursor",
    close_codes.BAD_MESSAGE: "a frame or the cursor cannot be read: final",
    close_codes.CREDENTIAL: "the credential is not valid here: final",
    close_codes.ORIGIN: "the page's origin is not allowed: final",
    close_codes.UNKNOWN_STREAM: "there is no such stream: final",
}


def event_stream() -> dict[str, Any]:
    """Return the channel of server-sent events; an event's own fields stand in its headers."""
    messages = {
        kind: _event(None if kind == "result" else kind, schemas.ref(schema), SHOWN[kind])
        for kind, schema in RESULTS.items()
    }
    messages |= {
        "position": _event(None, None, None)
        | {"summary": "No data: it moves the reader's position and fires no event."},
        "gap": _event("gap", _gap(), LOST._asdict()),
        "slow": _event("slow", _retry(), {"retry_ms": 2_300}),
        "reconnect": _event("reconnect", _retry(), {"retry_ms": 900}),
        EXPIRING: _event(EXPIRING, _expires(), {"expires_in": 60}),
        "error": _event("error", schemas.ref("Problem"), _unavailable()),
    }
    return {
        "address": ADDRESS,
        "title": "Results as server-sent events",
        "description": "GET with `Accept: text/event-stream`. A bare `id:` with `retry:` comes"
        " first; a comment is the heartbeat. Come back with Last-Event-ID; a 204 is the end.",
        "servers": [{"$ref": "#/servers/http"}],
        "parameters": _parameters(),
        "messages": messages,
    }


def _event(name: str | None, payload: Schema | None, example: Any) -> dict[str, Any]:
    fields: dict[str, Schema] = {"id": CURSOR, "retry": RETRY}
    has_id = name in (None, "gap", "end", "failed")
    if name is not None:
        fields["event"] = {"const": name}
    if not has_id:
        del fields["id"]
    headers = {
        "type": "object",
        "description": "The fields of the event besides its data.",
        "properties": fields,
        "required": [field for field in fields if field != "retry"],
        "additionalProperties": False,
    }
    message: dict[str, Any] = {"name": name or "message", "headers": headers}
    if payload is not None:
        shown = {"id": CURSOR_ID} if has_id else {}
        shown |= {} if name is None else {"event": name}
        message |= {"payload": payload, "examples": [{"headers": shown, "payload": example}]}
    return message


def web_socket() -> dict[str, Any]:
    """Return the channel of frames, in both directions, with the codes that close it."""
    results = {
        kind: _frame(kind, SHOWN[kind] | {"type": kind}, all_of=schemas.ref(schema))
        for kind, schema in RESULTS.items()
    }
    stored = Receipt(RECEIPT["partition"], RECEIPT["offset"])
    ref = msgspec.Raw(b'"order-17"')
    problem = schemas.ref("Problem")
    leaving: dict[str, Schema] = {"retry_ms": RETRY, "cursor": CURSOR}
    return {
        "address": ADDRESS,
        "title": "Results and records on one socket",
        "description": "JSON text frames, both ways, told apart by `type`. A refused upgrade is"
        " accepted and then closed with its code, which alone says whether to come back.",
        "servers": [{"$ref": "#/servers/webSocket"}],
        "parameters": _parameters(),
        "bindings": {"ws": {"method": "GET", "query": _of_socket(), "bindingVersion": "0.1.0"}},
        "x-close-codes": {str(code): meaning for code, meaning in sorted(CLOSES.items())},
        "messages": results
        | {
            "position": _written(frames.position(CURSOR_ID), {"cursor": CURSOR}),
            "gap": _written(frames.gap(LOST), {"id": CURSOR, **_gap()["properties"]}),
            "slow": _written(frames.leaving("slow", 2_300, CURSOR_ID), leaving),
            "reconnect": _written(frames.leaving("reconnect", 900, CURSOR_ID), leaving),
            EXPIRING: _written(frames.expiring(60), _expires()["properties"]),
            "authenticate": _authenticate(),
            "send": _frame(
                "send",
                {"type": "send", "data": "sample data", "ref": "order-17"},
                {"data": schemas.ANYTHING, "ref": REF},
                optional=("ref",),
            ),
            "receipt": _frame(
                "receipt",
                json.loads(frames.receipt(STREAM_ID, stored, ref)),
                {"ref": REF},
                all_of=schemas.ref("Receipt"),
            ),
            "refused": _written(
                frames.send_error(InvalidBody(), ref, REQUEST_ID), {"ref": REF, "problem": problem}
            ),
            "error": _written(frames.error(InvalidBody(), REQUEST_ID), {"problem": problem})
            | {"summary": "The socket is closed behind it."},
        },
    }


def _written(text: str, members: dict[str, Schema]) -> dict[str, Any]:
    """Return the message of a frame that our own encoder has just written."""
    example = json.loads(text)
    return _frame(example["type"], example, members)


def _frame(
    kind: str,
    example: dict[str, Any],
    members: dict[str, Schema] | None = None,
    *,
    all_of: Schema | None = None,
    optional: tuple[str, ...] = (),
) -> dict[str, Any]:
    fields = {"type": {"const": kind}, **(members or {})}
    payload: Schema = {
        "type": "object",
        "required": [name for name in fields if name not in optional],
        "properties": fields,
    }
    if all_of is None:
        payload["additionalProperties"] = False
    else:
        payload["allOf"] = [all_of]
    return {"name": kind, "payload": payload, "examples": [{"payload": example}]}


def query() -> Schema:
    """Return where a reading begins: one of the first four, and what bounds it."""
    return {
        "type": "object",
        "properties": {
            "cursor": CURSOR,
            "from": {"enum": ["start", "now"], "default": "start"},
            "since": {"type": "string", "format": "date-time"},
            "tail": {"type": "integer", "minimum": 1, "maximum": MAX_TAIL},
            "until": {"const": "now"},
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_ENDLESS_LIMIT},
            "ticket": {"type": "string", "description": "In place of a credential in the head."},
        },
        "additionalProperties": False,
    }


def _of_socket() -> Schema:
    """Return the same, and what lets a socket bring its credential as its first message."""
    asked = query()
    asked["properties"][first_message.PARAMETER] = {"const": first_message.FIRST}
    return asked


def _authenticate() -> dict[str, Any]:
    text: Schema = {"type": "string", "minLength": 1}
    kinds = ("key", "token", "ticket")
    message = _frame(
        "authenticate",
        {"type": "authenticate", "key": "a key"},
        dict.fromkeys(kinds, text),
        optional=kinds,
    )
    message["payload"]["minProperties"] = message["payload"]["maxProperties"] = 2
    seconds = f"{first_message.WAIT_SECONDS:g}"
    return message | {"summary": f"Only first, within {seconds} s, where the query announces it."}


def _parameters() -> dict[str, Any]:
    return {"stream_id": {"description": "What the start answered.", "examples": [STREAM_ID]}}


def _gap() -> Schema:
    reasons = list(get_args(get_type_hints(Gap)["reason"]))
    requested = {"oneOf": [CURSOR, {"type": "null"}]}
    members: dict[str, Schema] = {
        "requested": requested,
        "earliest": CURSOR,
        "reason": {"enum": reasons},
    }
    return {"type": "object", "required": [*Gap._fields], "properties": members}


def _retry() -> Schema:
    return {"type": "object", "required": ["retry_ms"], "properties": {"retry_ms": RETRY}}


def _expires() -> Schema:
    seconds: Schema = {"type": "integer", "minimum": 0, "description": "Seconds."}
    return {"type": "object", "required": ["expires_in"], "properties": {"expires_in": seconds}}


def _unavailable() -> dict[str, Any]:
    return problems.document(BrokerUnavailable(), REQUEST_ID)
