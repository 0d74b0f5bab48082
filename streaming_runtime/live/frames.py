"""The frames of the bidirectional WebSocket as text: pure, in both directions."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from streaming_runtime.core.errors import InvalidBody, RecordTooLarge, StreamingError
from streaming_runtime.core.model import Receipt
from streaming_runtime.core.reading import Gap
from streaming_runtime.http import problems
from streaming_runtime.http.bodies import MAX_DATA_BYTES
from streaming_runtime.http.event_forms import EXPIRING
from streaming_runtime.http.json_data import MAX_DEPTH, check, check_text, decode, is_shallow
from streaming_runtime.http.views import receipt_json

NULL = msgspec.Raw(b"null")


class SendFrame(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends: ``data`` and ``ref`` stay its own bytes."""

    type: str
    data: msgspec.Raw
    ref: msgspec.Raw = NULL


class _Marked(msgspec.Struct):
    """Only what tells whose frame it is; the rest is passed over."""

    type: str = ""
    ref: msgspec.Raw = NULL


SEND = msgspec.json.Decoder(SendFrame)
MARKED = msgspec.json.Decoder(_Marked)


class NotAFrame(Exception):
    """What came is no frame of this protocol at all; the socket is closed."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.reason = InvalidBody(detail)


class BadSend(NamedTuple):
    """A send that is refused, while the socket goes on."""

    ref: msgspec.Raw
    reason: StreamingError


def parse_send(text: str) -> SendFrame | BadSend:
    """Read a frame of a client: a send that may go on, or one that is refused.

    Raises:  NotAFrame for anything else.
    """
    body = text.encode(errors="surrogatepass")
    marked = _marked(body)
    try:
        check(body, depth=MAX_DEPTH + 1)
        frame = decode(SEND, body)
    except InvalidBody as reason:
        return BadSend(marked.ref, reason)
    if body.count(b'"data"') > 1 and _names_data_twice(body):
        return BadSend(marked.ref, InvalidBody("data is given twice"))
    if len(bytes(frame.data)) > MAX_DATA_BYTES:
        return BadSend(marked.ref, RecordTooLarge())
    frame.ref = marked.ref
    return frame


def _names_data_twice(body: bytes) -> bool:
    """Say whether the frame has two members ``data``: the decoder would drop the first."""
    members: list[tuple[str, Any]] = json.loads(
        body, parse_int=str, parse_float=str, object_pairs_hook=list
    )
    return sum(name == "data" for name, _ in members) > 1


def _marked(body: bytes) -> _Marked:
    """Return whose frame this is, with a ref that may be sent back."""
    if not is_shallow(body, 2 * MAX_DEPTH):
        # Too deep to look into safely: a send whose ref is lost, if it can be one.
        if not body.lstrip().startswith(b"{"):
            raise NotAFrame("A frame is a JSON object")
        return _Marked("send")
    try:
        marked = MARKED.decode(body)
    except msgspec.ValidationError:
        marked = _Marked()
    except msgspec.DecodeError:
        marked = _salvaged(body)
    if marked.type != "send":
        raise NotAFrame('A frame from a client is a JSON object of type "send"')
    # A copy: the view would hold the whole message for as long as the ref lives.
    return _Marked("send", msgspec.Raw(bytes(marked.ref)))


def _salvaged(body: bytes) -> _Marked:
    """Look into what only a forgiving parser reads: bad data is no reason to close a socket."""
    try:
        found = json.loads(body)
    except ValueError:
        raise NotAFrame("A frame is JSON") from None
    if not isinstance(found, dict) or not isinstance(kind := found.get("type"), str):
        return _Marked()
    try:
        # Python reads NaN and would write it back, which no other parser could read.
        ref = json.dumps(found.get("ref"), allow_nan=False).encode()
        check_text(ref)
    except (ValueError, InvalidBody):
        return _Marked(kind)
    return _Marked(kind, msgspec.Raw(ref))


def receipt(stream_id: str, stored: Receipt, ref: msgspec.Raw) -> str:
    stored_at = receipt_json(stream_id.encode(), stored)
    return (b'{"type":"receipt","ref":%b,%b' % (bytes(ref), stored_at[1:])).decode()


def send_error(error: StreamingError, ref: msgspec.Raw, request_id: str) -> str:
    return _frame("error", ref=ref, problem=problems.document_alone(error, request_id))


def error(failure: StreamingError, request_id: str) -> str:
    return _frame("error", problem=problems.document_alone(failure, request_id))


def position(cursor_id: str) -> str:
    return _frame("position", cursor=cursor_id)


def gap(lost: Gap) -> str:
    return _frame("gap", id=lost.earliest, **lost._asdict())


def expiring(seconds: int) -> str:
    """Return the frame that tells when the credential ends, and the socket with it."""
    return _frame(EXPIRING, expires_in=seconds)


def leaving(kind: str, retry_ms: int, cursor_id: str) -> str:
    """Return the frame before a close that invites back: ``slow`` or ``reconnect``."""
    return _frame(kind, retry_ms=retry_ms, cursor=cursor_id)


def _frame(kind: str, **members: object) -> str:
    return msgspec.json.encode({"type": kind, **members}).decode()
