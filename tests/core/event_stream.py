"""A strict reading of text/event-stream, as a browser does it, for what we write."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """What a client sees: an event that fired, with the last event id at that moment."""

    name: str
    data: str
    last_event_id: str


@dataclass(frozen=True)
class Reading:
    """All that a stream did to a client."""

    events: list[Event]
    last_event_id: str
    retry_ms: int | None


def read(stream: bytes) -> Reading:
    """Interpret a whole stream.

    Source:  WHATWG HTML, section 9.2.6.
    """
    events: list[Event] = []
    data: list[str] = []
    name, id_buffer, last_id, retry = "", "", "", None
    for line in re.split("\r\n|\n|\r", stream.decode()):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            last_id = id_buffer
            if data:
                events.append(Event(name or "message", "\n".join(data), last_id))
            data, name = [], ""
        elif field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == "id" and "\0" not in value:
            id_buffer = value
        elif field == "retry" and value.isascii() and value.isdecimal():
            retry = int(value)
        else:
            assert not field, f"a field that no client knows: {field}"
    return Reading(events, last_id, retry)
