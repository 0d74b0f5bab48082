"""Just enough HTTP/1.1 to read the answers of one server: heads and bodies with a length. Pure."""

from typing import NamedTuple

MAX_HEAD_BYTES = 65_536
_LENGTH = b"\r\ncontent-length:"
_CHUNKED = b"\r\ntransfer-encoding: chunked"
_WITHOUT_BODY = (204, 304)


class NotHttp(Exception):
    """What came cannot be read as the HTTP/1.1 that this reader knows."""


class Head(NamedTuple):
    """Shape:   ``size`` is where the body begins; ``length`` is None where none is named."""

    status: int
    length: int | None
    is_chunked: bool
    size: int


class Answer(NamedTuple):
    """Shape:   ``size`` is how many of the bytes it took."""

    status: int
    body: bytes
    size: int


def parse_head(data: bytes) -> Head | None:
    """Return the head of an answer, None while it is incomplete.

    Raises:  NotHttp.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > MAX_HEAD_BYTES:
            raise NotHttp("a head without an end")
        return None
    status = data[9:12]
    if not (data.startswith(b"HTTP/1.1 ") and status.isdigit()):
        raise NotHttp(f"an answer that begins with {data[:20]!r}")
    # Lower case is what servers of ours write; looking for it first saves a copy of each head.
    fields = data if data.find(_LENGTH, 0, end) >= 0 else data[:end].lower() + b"\r\n"
    at = fields.find(_LENGTH, 0, end)
    if at < 0:
        return Head(int(status), None, _CHUNKED in fields, end + 4)
    value = fields[at + len(_LENGTH) : fields.find(b"\r", at + 1)].strip()
    if not value.isdigit():
        raise NotHttp(f"a length of {value[:20]!r}")
    return Head(int(status), int(value), False, end + 4)


def parse_answer(data: bytes) -> Answer | None:
    """Return the first answer in ``data``, None while it is incomplete.

    Raises:  NotHttp.
    """
    head = parse_head(data)
    if head is None:
        return None
    length = head.length
    if length is None:
        if head.status not in _WITHOUT_BODY:
            raise NotHttp(f"a {head.status} without Content-Length")
        length = 0
    end = head.size + length
    if len(data) < end:
        return None
    return Answer(head.status, data[head.size : end], end)
