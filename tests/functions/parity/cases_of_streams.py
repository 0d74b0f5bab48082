"""Rows about starting, listing, looking at and ending streams, and about paths that are none."""

from __future__ import annotations

import json

from tests.functions.parity.case import FORM, KEYED, OTHER, Case

WRONG = ("x-api-key", "no key of anybody")
INVALID = "invalid-body"


def _start(name: str, status: int, body: bytes, code: str = "") -> Case:
    return Case(f"start: {name}", status, "POST", "/stream/start", (KEYED,), body, code)


START = [
    _start("no body", 201, b""),
    _start("an empty object", 201, b"{}"),
    _start("everything", 201, b'{"processor":"uppercase","label":"\xc3\xa4","ttl_seconds":60}'),
    _start("parameters", 201, b'{"processor":{"name":"jmespath","expression":"a.b"}}'),
    Case("start: a form's type", 201, "POST", "/stream/start", (KEYED, FORM), b"{}"),
    _start("an unknown processor", 400, b'{"processor":"nobody"}', "invalid-body"),
    _start("an unknown parameter", 400, b'{"processor":{"name":"identity","x":1}}', "invalid-body"),
    _start("an unknown field", 400, b'{"name":"x"}', "invalid-body"),
    _start("no JSON", 400, b"{", "invalid-body"),
    _start("an array", 400, b"[]", "invalid-body"),
    _start("NaN", 400, b'{"ttl_seconds":NaN}', "invalid-body"),
    _start("a text for a number", 400, b'{"ttl_seconds":"60"}', "invalid-body"),
    _start("a long label", 400, json.dumps({"label": "x" * 201}).encode(), "invalid-body"),
    _start("bytes that are no UTF-8", 400, b'{"label":"\xff"}', "invalid-body"),
    _start("a large body", 400, b" " * 70_000, "invalid-body"),
    Case("start: no key", 401, "POST", "/stream/start", (), b"", "unauthorized"),
    Case("start: a wrong key", 401, "POST", "/stream/start", (WRONG,), b"", "unauthorized"),
    Case("start: read", 405, "GET", "/stream/start", code="method-not-allowed"),
]

STREAMS = [
    Case("look at a stream", 200, "GET", "/stream/{read}"),
    Case("look at an ended stream", 200, "GET", "/stream/{ended}"),
    Case("look at no stream", 404, "GET", "/stream/nothing", code="unknown-stream"),
    Case("look at another's stream", 404, "GET", "/stream/{others}", code="unknown-stream"),
    Case("look without a key", 401, "GET", "/stream/{read}", (), code="unauthorized"),
    Case("look at a name of many bytes", 404, "GET", "/stream/%C3%A4", code="unknown-stream"),
    Case("look at a name that is no text", 404, "GET", "/stream/%FF", code="unknown-stream"),
    Case("delete a stream", 405, "DELETE", "/stream/{read}", code="method-not-allowed"),
    Case("list", 200, "GET", "/streams", (OTHER,)),
    Case("list one", 200, "GET", "/streams?limit=1", (OTHER,)),
    Case("list what is after it", 200, "GET", "/streams?limit=1&after={after}", (OTHER,)),
    Case("list none", 400, "GET", "/streams?limit=0", code="invalid-parameter"),
    Case("list too many", 400, "GET", "/streams?limit=1001", code="invalid-parameter"),
    Case("list after nothing", 400, "GET", "/streams?after=x", code="invalid-parameter"),
    Case("list after an empty text", 400, "GET", "/streams?after=", code="invalid-parameter"),
    Case("list without a key", 401, "GET", "/streams", (), code="unauthorized"),
    Case("the head of a list", 200, "HEAD", "/streams", (OTHER,)),
    Case("put streams", 405, "PUT", "/streams", code="method-not-allowed"),
    Case("ask for options", 405, "OPTIONS", "/streams", code="method-not-allowed"),
    Case("end", 202, "POST", "/stream/{fresh}/end"),
    Case("end with an empty object", 202, "POST", "/stream/{fresh}/end", body=b"{}"),
    Case("end again", 202, "POST", "/stream/{ended}/end"),
    Case("end with a body", 400, "POST", "/stream/{read}/end", body=b"[1]", code="invalid-body"),
    Case("end no stream", 404, "POST", "/stream/nothing/end", code="unknown-stream"),
    Case("end by reading", 405, "GET", "/stream/{read}/end", code="method-not-allowed"),
    Case("a path that is none", 404, "GET", "/stream/{read}/nothing", code="not-found"),
    Case("a slash within a name", 404, "GET", "/stream/a%2Fb", code="not-found"),
]


def _ticket(name: str, status: int, body: bytes, code: str = "") -> Case:
    return Case(f"ticket: {name}", status, "POST", "/stream/{read}/ticket", body=body, code=code)


TICKETS = [
    _ticket("no body", 201, b""),
    _ticket("for a page of a minute", 201, b'{"use":"eventsource","ttl_seconds":60}'),
    _ticket("for a socket", 201, b'{"use":"websocket"}'),
    _ticket("for a socket of a minute", 400, b'{"use":"websocket","ttl_seconds":60}', INVALID),
    _ticket("for no time", 400, b'{"ttl_seconds":0}', INVALID),
    _ticket("for more than an hour", 400, b'{"ttl_seconds":3601}', INVALID),
    _ticket("for half a minute and a bit", 400, b'{"ttl_seconds":30.5}', INVALID),
    _ticket("for something else", 400, b'{"use":"everything"}', INVALID),
    _ticket("an unknown field", 400, b'{"scope":"send"}', INVALID),
    _ticket("an array", 400, b"[]", INVALID),
    _ticket("a large body", 400, b" " * 2_000, INVALID),
    Case("ticket: no key", 401, "POST", "/stream/{read}/ticket", (), code="unauthorized"),
    Case("ticket: no stream", 404, "POST", "/stream/nothing/ticket", code="unknown-stream"),
    Case("ticket: another's stream", 404, "POST", "/stream/{others}/ticket", code="unknown-stream"),
    Case("ticket: read", 405, "GET", "/stream/{read}/ticket", code="method-not-allowed"),
    Case(
        "ticket: by a ticket",
        401,
        "POST",
        "/stream/{read}/ticket?ticket={ticket}",
        (),
        code="unauthorized",
    ),
]
