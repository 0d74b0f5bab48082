"""Rows about sending: one record, arrays, lines, keys, and waiting for the result."""

from __future__ import annotations

import json

from tests.functions.parity.case import FORM, KEYED, LINES, Case

SENT = "/stream/{fresh}/send"
IDEMPOTENT = ("idempotency-key", "the key of the world")
WAIT = ("prefer", "wait=10")
DEEP = b'{"data":' + b"[" * 101 + b"]" * 101 + b"}"
LARGE = b'{"data":"' + b"x" * (256 << 10) + b'"}'
LARGE_BATCH = b'[{"data":"' + b"x" * (1 << 20) + b'"}]'
TRACE = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def _sent(name: str, status: int, body: bytes, code: str = "", *more: tuple[str, str]) -> Case:
    return Case(f"send: {name}", status, "POST", SENT, (KEYED, *more), body, code)


def _refused(name: str, body: bytes, code: str = "invalid-body", status: int = 400) -> Case:
    return _sent(name, status, body, code)


def _keyed(name: str, status: int, key: str, body: bytes, code: str = "") -> Case:
    headers = (KEYED, ("idempotency-key", key))
    return Case(f"send: {name}", status, "POST", "/stream/{keyed}/send", headers, body, code)


RECORDS = [
    _sent("a text", 202, b'{"data":"sample"}'),
    _sent("a large whole number", 202, b'{"data":9007199254740993}'),
    _sent("letters of many bytes", 202, '{"data":"äöü €"}'.encode()),
    _sent("null", 202, b'{"data":null}'),
    _sent("white space around it", 202, b' \n{ "data" : [ 1, 2 ] } '),
    _sent("a form's type", 202, b'{"data":{"a":1}}', "", FORM),
    _sent("a trace", 202, b'{"data":1}', "", TRACE),
    _refused("no body", b""),
    _refused("no JSON", b"{"),
    _refused("no data", b"{}"),
    _refused("another field", b'{"data":1,"x":2}'),
    _refused("data twice", b'{"data":1,"data":2}'),
    _refused("NaN", b'{"data":NaN}'),
    _refused("half a letter", b'{"data":"\\ud800"}'),
    _refused("bytes that are no UTF-8", b'{"data":"\xff\xfe"}'),
    _refused("deep nesting", DEEP),
    _refused("a large record", LARGE, "record-too-large", 413),
    Case("send: no key", 401, "POST", "/stream/{read}/send", (), b"{}", "unauthorized"),
    Case("send: no stream", 404, "POST", "/stream/nothing/send", code="unknown-stream"),
    Case("send: another's stream", 404, "POST", "/stream/{others}/send", code="unknown-stream"),
    Case(
        "send: an ended stream",
        409,
        "POST",
        "/stream/{ended}/send",
        body=b'{"data":1}',
        code="stream-ended",
    ),
    Case("send: read", 405, "GET", "/stream/{read}/send", code="method-not-allowed"),
]

BATCHES = [
    _sent("an array", 207, b'[{"data":1},{"data":"two"},{"data":[3]}]'),
    _sent("an array with what is wrong", 207, b'[{"data":1},{"x":2},3,{"data":4}]'),
    _refused("an empty array", b"[]"),
    _refused("an array that is none", b'[{"data":1}'),
    _refused("too many records", b"[" + b'{"data":1},' * 1_000 + b"1]", "batch-too-large", 413),
    _refused("a large array", LARGE_BATCH, "batch-too-large", 413),
    _sent("lines", 200, b'{"data":1}\n{"data":"two"}\n', "", LINES),
    _sent("lines without an end", 200, b'{"data":1}\n{"data":2}', "", LINES),
    _sent("lines with what is wrong", 200, b'{"data":1}\nnothing\n\n{"data":3}\n', "", LINES),
    _sent("lines with a large one", 200, LARGE + b'\n{"data":3}\n', "", LINES),
    _sent("no lines", 200, b"", "", LINES),
]

KEYS = [
    _sent("a key", 202, b'{"data":1}', "", IDEMPOTENT),
    _sent("an array with a key", 207, b'[{"data":1},{"x":1}]', "", IDEMPOTENT),
    _keyed("a key again", 202, "used", b'{"data":"once"}'),
    _keyed("an array's key again", 207, "used for two", b'[{"data":1},{"data":2}]'),
    _keyed("a key for another body", 422, "used", b'{"data":"other"}', "idempotency-mismatch"),
    _keyed("an empty key", 400, "", b'{"data":1}', "invalid-parameter"),
    _keyed("a long key", 400, "k" * 256, b'{"data":1}', "invalid-parameter"),
    _sent("lines with a key", 400, b'{"data":1}', "invalid-parameter", LINES, IDEMPOTENT),
]

WAITING = [
    Case(
        "send: wait for a result",
        200,
        "POST",
        "/stream/{upper}/send",
        (KEYED, WAIT),
        b'{"data":"loud"}',
    ),
    Case(
        "send: wait for a failure",
        200,
        "POST",
        "/stream/{failing}/send",
        (KEYED, WAIT),
        json.dumps({"data": 1}).encode(),
    ),
    _sent("wait for something else", 202, b'{"data":1}', "", ("prefer", "respond-async")),
]

SEND = [*RECORDS, *BATCHES, *KEYS, *WAITING]
