"""What two answers to one request must have in common: all but ids, places and times of writes."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.core.event_stream import read
from tests.functions.parity.asked import Answered

# Headers that tell a client something about the answer, and not about the connection.
MATTER = (
    "allow",
    "cache-control",
    "content-type",
    "idempotent-replayed",
    "preference-applied",
    "referrer-policy",
    "www-authenticate",
    "x-accel-buffering",
    "x-content-type-options",
)
# What each write gets anew, and what depends on how far the log has come.
OWN = {"cursor", "offset", "partition", "record_id", "request_id", "ticket"}
WRITTEN = {"created_at", "ended_at", "id", "processed_at", "sent_at", "source", "stream_id"}
# A stream's way of saying where one is and when to come back; each place has its own.
POSITIONING = {"position", "reconnect"}
# An id says where its reading stops, and `until=now` is each reading's own: its last 20 bytes.
ID_BYTES, PLACE_CHARACTERS = 64, 36
STREAM_ID = re.compile(r"[A-Za-z0-9_-]{22}")


def essence(answer: Answered, *, is_write: bool) -> dict[str, Any]:
    """Return what must be the same, in a form that shows a difference well."""
    headers = {name: answer.headers[name] for name in MATTER if name in answer.headers}
    kind = headers.get("content-type", "").partition(";")[0]
    body: Any = answer.body.decode()
    if answer.body and kind in ("application/json", "application/problem+json"):
        body = _plain(json.loads(body), OWN | WRITTEN if is_write else OWN)
    elif kind == "application/x-ndjson":
        body = _lines(body, is_write)
    elif kind == "text/event-stream":
        body = _events(answer.body)
    return {"status": answer.status, "headers": headers, "body": body}


def _plain(value: Any, own: set[str]) -> Any:
    """Return a JSON value with what is each answer's own taken out, but not that it is there."""
    if isinstance(value, dict):
        return {
            name: _kind(part) if name in own else _plain(part, own) for name, part in value.items()
        }
    if isinstance(value, list):
        return [_plain(part, own) for part in value]
    if isinstance(value, str) and len(value) == ID_BYTES:
        return value[:PLACE_CHARACTERS]
    if isinstance(value, str) and value.startswith("/stream/") and "id" in own:
        return STREAM_ID.sub("ID", value)
    return value


def _kind(value: Any) -> str:
    return type(value).__name__


def _lines(body: str, is_write: bool) -> list[Any]:
    own = OWN | WRITTEN if is_write else OWN | {"id"}
    lines = [json.loads(line) for line in body.splitlines() if line]
    return [_plain(line, own) for line in lines if line.get("control") not in POSITIONING]


def _events(body: bytes) -> list[Any]:
    """Return name and data of each event; limits and ``until`` are part of a result's id."""
    reading = read(body)
    assert reading.retry_ms and reading.last_event_id, body
    told = [(e.name, _plain(json.loads(e.data), OWN | {"id"})) for e in reading.events]
    return [event for event in told if event[0] not in POSITIONING]
