"""The bytes of a text/event-stream; pure, and strict about what could end a field early."""

from __future__ import annotations

HEARTBEAT = b":\n\n"
LINE_ENDS = ("\r", "\n", "\0")


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
        lines.append(b"id: %b\n" % _field(event_id))
    if name is not None:
        lines.append(b"event: %b\n" % _field(name))
    if data is not None:
        if b"\n" in data or b"\r" in data:
            raise BadEventField("an event's data must be on one line")
        lines.append(b"data: %b\n" % data)
    return b"".join(lines) + b"\n"


def _field(text: str) -> bytes:
    if any(end in text for end in LINE_ENDS):
        raise BadEventField("an event's id or name must be on one line")
    return text.encode()
