"""The bytes of a text/event-stream; pure, and strict about what could end a field early."""

from __future__ import annotations

import re

# A comment and no blank line: some clients take any blank line for the end of an event.
HEARTBEAT = b":\n"
FORBIDDEN = re.compile(rb"[\r\n\0]")


class BadEventField(ValueError):
    """A field holds what would end it early: an error of ours, never of a client."""


def event(
    data: bytes | None = None,
    *,
    event_id: str | None = None,
    name: str | None = None,
    retry_ms: int | None = None,
) -> bytes:
    """Return one event.

    Shape:   UTF-8 field lines, then a blank line; ``data`` is JSON on one line.
    Units:   ``retry_ms`` is milliseconds.
    Raises:  BadEventField if a field holds CR, LF or NUL (it would end the field early).
    Source:  WHATWG HTML, section 9.2.6.
    """
    lines = []
    if retry_ms is not None:
        lines.append(b"retry: %d\n" % retry_ms)
    if event_id is not None:
        lines.append(_line(b"id", event_id.encode()))
    if name is not None:
        lines.append(_line(b"event", name.encode()))
    if data is not None:
        lines.append(_line(b"data", data))
    return b"".join(lines) + b"\n"


def _line(field: bytes, value: bytes) -> bytes:
    if FORBIDDEN.search(value):
        raise BadEventField(f"an event's {field.decode()} must be on one line")
    return b"%b: %b\n" % (field, value)
