"""The bytes of requests, built once for each stream so that a send costs one formatting. Pure.

A record's data is one JSON string, which the ``identity`` processor hands back as it came:
``"~NUMBER DUE~"`` and padding, where DUE is the moment the record was due.
"""

import re
from collections.abc import Mapping, Sequence

MARK = re.compile(rb'"~(\d{10}) (\d{16})~')
SMALLEST_RECORD_BYTES = 31  # The quotes, the two numbers and what is around them.
_MARKED = b"%b%010d %016d%b"


def head(method: str, path: str, address: str, headers: Mapping[str, str]) -> bytes:
    """Return a request's head for one server."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {address}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def request(
    method: str, path: str, address: str, headers: Mapping[str, str], body: bytes = b""
) -> bytes:
    """Return a whole request."""
    sized = {**headers, "Content-Length": str(len(body))} if body else headers
    return head(method, path, address, sized) + body


def padded(record_bytes: int) -> bytes:
    """Return the end of a record that is ``record_bytes`` long in all."""
    return b"~" + b"x" * (record_bytes - SMALLEST_RECORD_BYTES) + b'"'


class SendRequests:
    """The sends of all streams; all requests of a stream have one length, so the head is fixed."""

    def __init__(
        self, address: str, key: str, streams: Sequence[str], record_bytes: int, batch: int = 1
    ) -> None:
        self._batch = batch
        self._tail = padded(record_bytes) + b"}"
        size = len(self._body(b"", 0, 0))
        headers = {"x-api-key": key, "Content-Type": "application/json"}
        headers["Content-Length"] = str(size)
        self._heads = [
            head("POST", f"/stream/{stream}/send", address, headers) for stream in streams
        ]
        if batch == 1:
            self._heads = [each + b'{"data":"~' for each in self._heads]

    def bytes_for(self, stream: int, record: int, due_us: int) -> bytes:
        """Return the request that carries ``record`` and, in a batch, those that follow it.

        Units:  ``due_us`` is microseconds of the generator's clock.
        """
        if self._batch == 1:
            return _MARKED % (self._heads[stream], record, due_us, self._tail)
        return self._body(self._heads[stream], record, due_us)

    def _body(self, before: bytes, record: int, due_us: int) -> bytes:
        records = [
            _MARKED % (b'{"data":"~', number, due_us, self._tail)
            for number in range(record, record + self._batch)
        ]
        if self._batch == 1:
            return before + records[0]
        return b"%b[%b]" % (before, b",".join(records))


class SendFrames:
    """The sends of a WebSocket: text frames whose mask is zero, so that masking changes nothing.

    Source:  RFC 6455, section 5.2.
    """

    def __init__(self, record_bytes: int) -> None:
        self._tail = padded(record_bytes) + b"}"
        self._head = frame_head(len(self._json(0, 0)))

    def bytes_for(self, stream: int, record: int, due_us: int) -> bytes:
        """Return the frame; its ``ref`` is the record's number."""
        return self._head + self._json(record, due_us)

    def _json(self, record: int, due_us: int) -> bytes:
        # The number has ten digits also here, so that all frames have one length.
        return _MARKED % (
            b'{"type":"send","ref":"%010d","data":"~' % record,
            record,
            due_us,
            self._tail,
        )


def frame_head(size: int, opcode: int = 0x1) -> bytes:
    """Return the head of a masked, unfragmented frame."""
    first = bytes((0x80 | opcode,))
    if size < 126:
        return first + bytes((0x80 | size,)) + bytes(4)
    if size < 65_536:
        return first + b"\xfe" + size.to_bytes(2) + bytes(4)
    return first + b"\xff" + size.to_bytes(8) + bytes(4)
