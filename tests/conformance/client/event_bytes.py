"""text/event-stream as it comes in, read as the standard says and stricter where ours is."""

from __future__ import annotations

from typing import NamedTuple

from .strict_json import Json, parse_object


class Event(NamedTuple):
    """One dispatch of a browser's parser; without data no handler would fire.

    Units:  ``retry`` is milliseconds.
    """

    name: str
    data: str
    id: str
    retry: int | None
    raw: bytes = b""

    def json(self) -> Json:
        return parse_object(self.data)


class EventBytes:
    """Takes bytes in pieces of any size and gives out the events they complete.

    Shape:   lines must end with LF, and data has one line: both are promises of the contract, so
             a CR or an unknown field is an error here.
    Source:  WHATWG HTML, section 9.2.6.
    """

    def __init__(self) -> None:
        self.comments = 0
        self._rest = b""
        self._raw: list[bytes] = []
        self._id = ""
        self._fields: dict[str, str] = {}

    def feed(self, piece: bytes) -> list[Event]:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        events = [self._take(line) for line in lines]
        return [event for event in events if event is not None]

    def _take(self, line: bytes) -> Event | None:
        assert b"\r" not in line, f"a CR within a line: {line[:200]!r}"
        if not line:
            return self._dispatch()
        self._raw.append(line)
        name, _, value = line.decode().partition(":")
        if not name:
            self.comments += 1
            return None
        assert name in ("id", "event", "data", "retry"), f"a field no browser knows: {line[:200]!r}"
        assert name not in self._fields, f"{name} stands twice in one event: {self._raw}"
        self._fields[name] = value.removeprefix(" ")
        return None

    def _dispatch(self) -> Event | None:
        fields, raw = self._fields, b"\n".join(self._raw)
        self._fields, self._raw = {}, []
        if not fields:
            return None  # A comment by itself.
        self._id = fields.get("id", self._id)
        retry = int(fields["retry"]) if "retry" in fields else None
        return Event(fields.get("event", "message"), fields.get("data", ""), self._id, retry, raw)
