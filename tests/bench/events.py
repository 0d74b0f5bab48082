"""Chunks and events out of the bytes of a reader's connection, however they were cut. Pure."""

import re

from tests.bench.answers import NotHttp

_ID = re.compile(rb"^id: ?(.*)$", re.MULTILINE)


class Chunks:
    """Bodies with ``Transfer-Encoding: chunked``. ``is_over`` after the last chunk."""

    def __init__(self) -> None:
        self.is_over = False
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Return what is in the chunks that are complete.

        Raises:  NotHttp.
        """
        if self._rest:
            data = self._rest + data
        at, bodies = 0, []
        while (line_end := data.find(b"\r\n", at)) >= 0:
            start = line_end + 2
            try:
                end = start + int(data[at:line_end], 16)
            except ValueError:
                raise NotHttp(f"a chunk that begins with {data[at : at + 20]!r}") from None
            if len(data) < end + 2:
                break
            if end == start:
                self.is_over = True
            bodies.append(data[start:end])
            at = end + 2
        self._rest = data[at:]
        return bodies[0] if len(bodies) == 1 else b"".join(bodies)


class Events:
    """The blocks of a text/event-stream whose lines end in LF."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, body: bytes) -> list[bytes]:
        """Return the events that are complete, without the blank line behind each."""
        events = (self._rest + body if self._rest else body).split(b"\n\n")
        self._rest = events.pop()
        return events


def id_of(event: bytes) -> str:
    """Return the id of an event, empty where it has none."""
    found = _ID.search(event)
    return found[1].decode(errors="replace") if found else ""
