"""One result as bytes: encoded once, for any transport and any number of readers."""

from __future__ import annotations

from streaming_runtime.core.cursor import Cursor, CursorSeal
from streaming_runtime.core.model import LogEntry, Position, timestamp

# JSON cannot hold these inside a string, so in valid JSON they are white space between tokens.
WHITE_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")
# These JSON may hold inside a string, and only there, so that their escapes mean the same. Many
# clients split lines at them all the same (Python's splitlines does), in the middle of a result.
TEXT_LINE_ENDS = (
    ("\u0085".encode(), b"\\u0085"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)
# The members besides the value, at their longest, and the fields of an event around them.
AROUND_BYTES = 400


class EncodedResult:
    """A result with its encodings made at first use and kept.

    Shape:  each method takes the id of a reader with a limit, whose ids are its own; without one
            the shared bytes are returned. ``position`` is the one behind it.
    Units:  ``size`` is the bytes that a reader's queue counts: the value and what is around it.
    """

    __slots__ = (
        "_encoder",
        "_id",
        "_ndjson",
        "_sse",
        "_tail",
        "_websocket",
        "entry",
        "position",
        "size",
    )

    def __init__(self, entry: LogEntry, encoder: ResultEncoder) -> None:
        self.entry = entry
        self.position = Position(entry.offset + 1, entry.height)
        self.size = len(entry.value) + AROUND_BYTES
        self._encoder = encoder
        self._id: str | None = None
        self._tail: bytes | None = None
        self._sse: bytes | None = None
        self._ndjson: bytes | None = None
        self._websocket: str | None = None

    @property
    def id(self) -> str:
        """The cursor behind this result, for a reader without a limit."""
        if self._id is None:
            self._id = self._encoder.seal_id(self.entry)
        return self._id

    def json(self, own_id: str | None = None) -> bytes:
        """Return the result object of the contract, on one line."""
        if self._tail is None:
            self._tail = _tail(self.entry)
        return b'{"id":"%b",%b' % ((own_id or self.id).encode(), self._tail)

    def sse(self, own_id: str | None = None) -> bytes:
        """Return the event: no name for a result, so that ``onmessage`` sees it."""
        if own_id is not None:
            return self._sse_event(own_id)
        if self._sse is None:
            self._sse = self._sse_event(self.id)
        return self._sse

    def ndjson(self, own_id: str | None = None) -> bytes:
        """Return one line."""
        if own_id is not None:
            return self.json(own_id) + b"\n"
        if self._ndjson is None:
            self._ndjson = self.json() + b"\n"
        return self._ndjson

    def websocket(self, own_id: str | None = None) -> str:
        """Return a text frame: the result with its type."""
        if own_id is not None:
            return self._websocket_frame(own_id)
        if self._websocket is None:
            self._websocket = self._websocket_frame(self.id)
        return self._websocket

    def _sse_event(self, cursor_id: str) -> bytes:
        name = b"" if self.entry.kind == "result" else b"event: %b\n" % self.entry.kind.encode()
        return b"id: %b\n%bdata: %b\n\n" % (cursor_id.encode(), name, self.json(cursor_id))

    def _websocket_frame(self, cursor_id: str) -> str:
        # Any engine may write results: bytes that are no text must not end a reader for good.
        text = self.json(cursor_id)[1:].decode(errors="replace")
        return f'{{"type":"{self.entry.kind}",{text}'


class ResultEncoder:
    """Turns log entries of one incarnation into results with sealed ids."""

    def __init__(self, seal: CursorSeal, incarnation: str) -> None:
        self._seal = seal
        self._incarnation = incarnation

    def encode(self, entry: LogEntry) -> EncodedResult:
        return EncodedResult(entry, self)

    def seal_id(self, entry: LogEntry) -> str:
        # A reader of an end is at its end: its id must answer 204, wherever it is used.
        limit = 0 if entry.kind == "end" else None
        position = Position(entry.offset + 1, entry.height)
        return self._seal.encode(entry.stream_id, Cursor(self._incarnation, position, limit))


TAIL = b'"stream_id":"%b","kind":"%b","source":"%b","%b":%b,"sent_at":"%b","processed_at":"%b"}'


def _tail(entry: LogEntry) -> bytes:
    return TAIL % (
        entry.stream_id.encode(),
        entry.kind.encode(),
        entry.source.encode(),
        b"error" if entry.kind == "failed" else b"data",
        _on_one_line(entry.value),
        timestamp(entry.sent_at).encode(),
        timestamp(entry.processed_at).encode(),
    )


def _on_one_line(value: bytes) -> bytes:
    """Return the same JSON without anything that some client takes for the end of a line."""
    line = value.translate(WHITE_LINE_ENDS)
    if not line.isascii():
        for end, escape in TEXT_LINE_ENDS:
            line = line.replace(end, escape)
    return line
