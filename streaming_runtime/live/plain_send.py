"""The plainest form that a send can come in, read in one go; pure.

Nearly every send is one: a whole request in one piece, with the few fields that clients send. It is
read here at a quarter of what a parser costs, which calls back for each field. Whatever is unusual
in any way is no plain send: it goes to the parser, which knows what it means or why it is refused.
"""

from __future__ import annotations

from typing import NamedTuple

START = b"POST /stream/"
# What stands between a stream's id and the first field.
REST_OF_LINE = b"/send HTTP/1.1"
STREAM_ID_BYTES = 22
LINE_BYTES = len(START) + STREAM_ID_BYTES + len(REST_OF_LINE)
STREAM_ID = slice(len(START), len(START) + STREAM_ID_BYTES)
ID_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
HOST_CHARACTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-"
# Printable ASCII: also within a value nothing else is plain.
PRINTABLE = bytes(range(0x20, 0x7F))
MAX_HEAD_BYTES = 2 << 10
# Fields that change nothing in how the request is read, or mean what is looked at below.
KNOWN = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"connection",
        b"content-length",
        b"content-type",
        b"host",
        b"traceparent",
        b"user-agent",
        b"x-api-key",
    }
)


class PlainSend(NamedTuple):
    """Shape:   ``fields`` by names in lower case, each of which came once."""

    stream_id: str
    fields: dict[bytes, bytes]
    body: bytes


def read(data: bytes) -> tuple[PlainSend, bytes] | None:
    """Return the send that these bytes begin with, and what is behind it; None for others."""
    if not data.startswith(START):
        return None
    head, end, rest = data.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    if not end or len(head) > MAX_HEAD_BYTES or len(line) != LINE_BYTES:
        return None
    stream_id = line[STREAM_ID]
    if not line.endswith(REST_OF_LINE) or stream_id.translate(None, ID_CHARACTERS):
        return None
    fields = _fields_in(lines)
    if fields is None or (size := _body_size(fields)) is None or size > len(rest):
        return None
    return PlainSend(stream_id.decode("ascii"), fields, rest[:size]), rest[size:]


def _fields_in(lines: list[bytes]) -> dict[bytes, bytes] | None:
    # A lone CR or LF, or any other control character, is left over here.
    if b"".join(lines).translate(None, PRINTABLE):
        return None
    fields = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or value.endswith(b" "):
            return None
        fields[name.lower()] = value.lstrip(b" ")
    # A name that is followed by a blank, or a line that goes on, is no known name.
    return fields if len(fields) == len(lines) and fields.keys() <= KNOWN else None


def _body_size(fields: dict[bytes, bytes]) -> int | None:
    """Return how long the body is; None where another field makes the request less than plain."""
    length = fields.get(b"content-length", b"")
    if not length.isdigit() or len(length) > len(str(MAX_HEAD_BYTES << 10)):
        return None
    host = fields.get(b"host", b"")
    if not host or host.translate(None, HOST_CHARACTERS):
        return None
    goes_on = fields.get(b"connection", b"keep-alive").lower() == b"keep-alive"
    return int(length) if goes_on else None
