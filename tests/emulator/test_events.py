"""A request, as an event, is the same request again when Mangum has read it."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from functions.results import routes as results
from functions.send import routes as send
from functions.start import routes as start
from functions.streams import routes as streams
from local.emulator.events import FORMS, Form, MalformedAnswer, event_of, reply_of
from local.emulator.faults import Fault, FaultPlan, UnknownFault, parsed
from local.emulator.gateway import failure_reply
from local.emulator.http_server import Request
from local.emulator.outcome import FailureKind
from local.emulator.routes import ROUTES, matching
from streaming_runtime.http.lambda_entry import LoopBridge

BODY = '{"data": "größer \u2028"}'.encode()
HEADERS = [
    ("Host", "example"),
    ("X-Api-Key", "k"),
    ("Content-Type", "application/json"),
    ("Accept", "application/json"),
    ("Accept", "text/plain"),
    ("Idempotency-Key", "a b"),
]


def request(method: str, target: str, body: bytes = b"") -> Request:
    return Request(method, target, HEADERS, body, "198.51.100.7")


def as_event(form: Form, asked: Request) -> dict[str, Any]:
    found = matching(asked.method, asked.raw_path)
    assert found is not None
    event: dict[str, Any] = json.loads(event_of(form, asked, *found))
    return event


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def read_back(event: dict[str, Any]) -> tuple[Any, bytes]:
    """Return the scope and the body that the functions' own adapter makes of an event."""
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.extend((scope, (await receive())["body"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def run(work: Any) -> Any:
        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(work)
        finally:
            loop.close()

    LoopBridge(app, run)(event, Context())
    scope, body = got
    return scope, body


@pytest.mark.parametrize("form", FORMS)
def test_a_send_arrives_as_it_was_sent(form: Form) -> None:
    scope, body = read_back(as_event(form, request("POST", "/stream/abc-_1/send", BODY)))

    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    assert (scope["method"], scope["path"]) == ("POST", "/stream/abc-_1/send")
    assert body == BODY
    assert (headers["x-api-key"], headers["idempotency-key"]) == ("k", "a b")
    assert headers["x-forwarded-for"] == "198.51.100.7"


@pytest.mark.parametrize("form", FORMS)
def test_a_query_and_an_odd_path_arrive_decoded_once(form: Form) -> None:
    target = "/stream/a%2520b/results?since=2026-01-01T00%3A00%3A00%2B01%3A00&empty=&q=%2525"

    scope, _ = read_back(as_event(form, request("GET", target)))

    assert scope["path"] == "/stream/a%20b/results"
    query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
    assert query == {"since": "2026-01-01T00:00:00+01:00", "empty": "", "q": "%25"}


def test_bytes_that_are_no_text_arrive_untouched() -> None:
    for form in FORMS:
        asked = Request("POST", "/stream/a/send", [("Content-Type", "x/y")], b"\xff\x00", "::1")

        assert read_back(as_event(form, asked))[1] == b"\xff\x00"


def test_each_form_says_what_aws_says() -> None:
    asked = request("POST", "/stream/a/send", BODY)
    rest, http, alb = (as_event(form, asked) for form in FORMS)

    assert rest["headers"]["X-Api-Key"] == "k"  # The case is the client's here …
    assert rest["multiValueHeaders"]["Accept"] == ["application/json", "text/plain"]
    assert (rest["resource"], rest["pathParameters"]) == (
        "/stream/{stream_id}/send",
        {"stream_id": "a"},
    )
    assert rest["isBase64Encoded"] is True
    assert http["headers"]["x-api-key"] == "k"  # … and lower here.
    assert http["headers"]["accept"] == "application/json,text/plain"
    assert http["rawPath"] == "/v1/stream/a/send"
    assert http["body"] == BODY.decode()
    assert alb["headers"]["accept"] == "text/plain"
    assert "elb" in alb["requestContext"]


def test_an_answer_becomes_http_again() -> None:
    answer = {
        "statusCode": 200,
        "headers": {"a": "1", "b": "2"},
        "multiValueHeaders": {"b": ["2", "3"]},
        "body": base64.b64encode(b"\xff").decode(),
        "isBase64Encoded": True,
        "cookies": ["c=1"],
    }

    reply = reply_of(json.dumps(answer).encode())

    assert (reply.status, reply.body) == (200, b"\xff")
    assert reply.headers == [("a", "1"), ("b", "2"), ("b", "3"), ("Set-Cookie", "c=1")]


@pytest.mark.parametrize("answer", ["null", "[]", '{"body": "x"}', '{"statusCode": "x"}', "x"])
def test_what_is_no_answer_is_refused(answer: str) -> None:
    with pytest.raises(MalformedAnswer):
        reply_of(answer.encode())


def test_every_route_of_the_functions_is_routed_and_no_other() -> None:
    served = {
        (method, route.path.replace(":str", ""), name)
        for name, module in (
            ("start", start),
            ("send", send),
            ("results", results),
            ("streams", streams),
        )
        for route in module.router.routes
        for method in getattr(route, "methods", ())
        if method not in ("OPTIONS", "HEAD")
    }

    assert {(route.method, route.path, route.function) for route in ROUTES} == served


def test_a_path_without_parameters_is_no_stream() -> None:
    assert matching("GET", "/stream/start") is None
    found = matching("GET", "/stream/abc")
    assert found is not None
    assert found[1] == {"stream_id": "abc"}


def test_a_preflight_is_a_functions_too() -> None:
    found = matching("OPTIONS", "/stream/a/send", has_preflights=True)

    assert found is not None
    assert found[0].function == "start"
    assert matching("OPTIONS", "/nowhere", has_preflights=True) is None
    assert matching("OPTIONS", "/stream/a/send") is None


def test_when_a_function_fails_each_front_door_says_so_in_its_way() -> None:
    said = {
        (form, kind): failure_reply(form, kind).status for form in FORMS for kind in FailureKind
    }

    assert {status for (form, _), status in said.items() if form == "rest"} == {503}
    assert {status for (form, _), status in said.items() if form == "alb"} == {502}
    assert said["http", FailureKind.TIMEOUT] == 503
    assert said["http", FailureKind.ERROR] == 500
    rest = failure_reply("rest", FailureKind.EXIT)
    assert json.loads(rest.body)["code"] == "outcome-unknown"
    assert ("Retry-After", "1") in rest.headers


def test_a_fault_happens_as_often_as_it_was_armed_for() -> None:
    plan = FaultPlan()
    plan.arm(*parsed("send:cut:2"))
    plan.arm(*parsed("*:cold"))

    taken = [plan.take("send", Fault.CUT) for _ in range(3)]

    assert taken == [True, True, False]
    assert not plan.take("start", Fault.CUT)
    assert all(plan.take("start", Fault.COLD) for _ in range(5))


@pytest.mark.parametrize("text", ["send:flood", "sned:cut", "send", "send:cut:x", "send:cut:0"])
def test_a_fault_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UnknownFault):
        FaultPlan().arm(*parsed(text))


def test_a_fault_of_connections_is_refused_where_nobody_stands_before_the_broker() -> None:
    plan = FaultPlan()
    plan.impossible = frozenset((Fault.CUT,))

    with pytest.raises(UnknownFault, match="cut needs one plain broker"):
        plan.arm("send", "cut")
    plan.arm("send", "cold")
