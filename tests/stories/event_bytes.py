"""text/event-stream as it comes in, at any cut: what is not complete does not count."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Event(NamedTuple):
    """One dispatch of a browser's parser; without data no handler would fire.

    Units:  ``retry`` is milliseconds.
    """

    name: str
    data: str
    id: str
    retry: int | None

    def json(self) -> Any:
        return json.loads(self.data)


class EventBytes:
    """Takes bytes in pieces of any size and gives out the events they complete.

    Source:  WHATWG HTML, section 9.2.6.
    """

    def __init__(self) -> None:
        self.last_id = ""
        self.comments = 0
        self._rest = b""
        self._id = ""
        self._name = ""
        self._data: list[str] = []
        self._retry: int | None = None

    def feed(self, piece: bytes) -> list[Event]:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        events = [self._take(line.decode()) for line in lines]
        return [event for event in events if event is not None]

    def _take(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif field == "id":
            self._id = value
        elif field == "retry":
            self._retry = int(value)
        else:
            assert not field, f"a field that no browser knows: {line}"
            self.comments += 1
        return None

    def _dispatch(self) -> Event:
        self.last_id = self._id
        event = Event(self._name or "message", "\n".join(self._data), self.last_id, self._retry)
        self._name, self._data, self._retry = "", [], None
        return event
