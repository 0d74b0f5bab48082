"""Events in, answers out, without Kafka."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from litestar.types import Receive, Scope, Send

from streaming_runtime.core.api_keys import generated
from streaming_runtime.core.audit import MOST_PER_SECOND, Denial, deny
from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.http.answers import Answer
from streaming_runtime.http.edge import Edge
from streaming_runtime.http.lambda_entry import (
    Handler,
    LambdaFigures,
    LoopBridge,
    UnreadableEvent,
    lambda_entry,
)
from tests.functions.invoke import Context
from tests.functions.lambda_process import event

CONTEXT = Context("echo")
SECRET = "a-text-that-nobody-may-log"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what was asked."""
    asked: Any = await receive()
    gone: Any = await receive()
    assert gone["type"] == "http.disconnect"
    path = scope["path"].encode()
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    body = path + query + b" " + asked["body"]
    await Answer(body, media_type="text/plain")(scope, receive, send)


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await Answer(status=204)(scope, receive, send)


async def fields(scope: Scope, receive: Receive, send: Send) -> None:
    found = [(name.decode(), value.decode()) for name, value in scope["headers"]]
    await Answer(json.dumps(found).encode())(scope, receive, send)


BRIDGE = LoopBridge(echo, asyncio.run)


def test_a_rest_api_a_http_api_and_a_load_balancer_are_understood() -> None:
    rest = BRIDGE(event("start_rest_v1"), CONTEXT)
    http = BRIDGE(event("send_http_v2", STREAM_ID="s"), CONTEXT)
    balancer = BRIDGE(event("results_alb", STREAM_ID="s"), CONTEXT)

    assert rest["body"] == '/stream/start {"processor": "uppercase"}'
    assert http["body"] == '/stream/s/send {"data": "sample data"}'
    assert balancer["body"] == "/stream/s/results?from=start "
    assert {rest["statusCode"], http["statusCode"], balancer["statusCode"]} == {200}


def test_a_load_balancer_gets_the_kind_of_headers_that_it_sent() -> None:
    many = BRIDGE(event("end_alb_multi_value", STREAM_ID="s"), CONTEXT)
    single = BRIDGE(event("results_alb", STREAM_ID="s"), CONTEXT)

    assert many["multiValueHeaders"]["content-type"] == ["text/plain"]
    assert "headers" not in many
    assert single["headers"]["content-type"] == "text/plain"
    assert "multiValueHeaders" not in single


def test_repeated_headers_and_cookies_of_an_event_arrive() -> None:
    bridge = LoopBridge(fields, asyncio.run)
    rest = event("start_rest_v1")
    rest["multiValueHeaders"]["Accept"] = ["text/event-stream", "application/json"]
    http = {**event("send_http_v2"), "cookies": ["a=1", "b=2"]}

    assert ["accept", "text/event-stream, application/json"] in _body(bridge(rest, CONTEXT))
    assert ["cookie", "a=1; b=2"] in _body(bridge(http, CONTEXT))


@pytest.mark.parametrize("name", ["start_rest_v1", "send_http_v2", "results_alb"])
@pytest.mark.parametrize("host", ["a:b", "[::1]:8080", "a:b:c", ""])
def test_whatever_a_client_calls_our_host_is_passed_over(name: str, host: str) -> None:
    asked = event(name)
    asked["headers"] |= {"Host": host, "X-Forwarded-Port": "many"}

    assert BRIDGE(asked, CONTEXT)["statusCode"] == 200


def test_paths_arrive_as_a_server_would_read_them() -> None:
    for path, read in (("/a%2Fb", "/a/b"), ("/%C3%A4", "/ä"), ("/ä", "/ä"), ("/%FF", "/\ufffd")):
        for asked in (event("start_rest_v1"), event("results_alb")):
            asked["path"] = path

            assert BRIDGE(asked, CONTEXT)["body"].split(" ")[0].partition("?")[0] == read


def test_a_query_arrives_whole_however_it_comes() -> None:
    rest = event("start_rest_v1")
    rest["multiValueQueryStringParameters"] = {"a": ["1", "2"], "since": ["+02:00"]}
    balancer = event("results_alb")
    balancer["queryStringParameters"] = {"since": "%2B02%3A00"}
    http = {**event("send_http_v2"), "rawQueryString": "since=%2B02%3A00&cursor="}

    assert BRIDGE(rest, CONTEXT)["body"].startswith("/stream/start?a=1&a=2&since=%2B02%3A00 ")
    assert "?since=%2B02%3A00 " in BRIDGE(balancer, CONTEXT)["body"]
    assert "?since=%2B02%3A00&cursor= " in BRIDGE(http, CONTEXT)["body"]


@pytest.mark.parametrize("name", ["list_rest_v1", "results_http_v2", "results_alb"])
def test_an_answer_without_a_body_has_no_type(name: str) -> None:
    answer = LoopBridge(nothing, asyncio.run)(event(name), CONTEXT)

    assert answer["statusCode"] == 204
    assert "content-type" not in answer["headers"]


@pytest.mark.parametrize(
    "broken",
    [
        {"version": "2.0", "requestContext": {}},
        {"version": "2.0", "requestContext": {"http": {"path": 1}}},
        {"version": "2.0", "requestContext": {"stage": "x", "http": "text"}},
        {"resource": "/", "requestContext": {}},
        {"resource": "/", "requestContext": {}, "path": "/", "httpMethod": "GET", "headers": "x"},
        {"requestContext": {"elb": {}}, "headers": None},
    ],
)
def test_what_only_looks_like_a_request_is_told_apart(broken: dict[str, Any]) -> None:
    with pytest.raises(UnreadableEvent):
        BRIDGE(broken, CONTEXT)


def _body(answer: dict[str, Any]) -> Any:
    return json.loads(answer["body"])


@contextmanager
def echoing(app: Any = echo, run: Any = asyncio.run) -> Iterator[Handler]:
    """Give a handler as Lambda calls it; its logger is put back as it was."""
    logger = logging.getLogger("millrace")
    before, handlers = dict(vars(logger)), logger.handlers[:]
    try:
        figures = LambdaFigures("echo")
        yield lambda_entry(Edge(app, figures), run, figures, lambda: "DEBUG")
    finally:
        # Powertools keeps what it knows of a logger on the logger.
        vars(logger).clear()
        vars(logger).update(before, handlers=handlers)


NO_REQUESTS: list[Any] = [
    {},
    None,
    [],
    "text",
    7,
    {"a": SECRET},
    {"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": SECRET}]},
    {"records": {"topic-0": [{"value": SECRET}]}, "eventSource": "aws:kafka"},
    {"requestContext": SECRET, "version": "2.0"},
    {"requestContext": {"connectionId": "x", "eventType": "CONNECT"}, "headers": {"x": SECRET}},
    {"type": "REQUEST", "methodArn": "arn", "resource": "/", "requestContext": {}, "path": "/"},
    {"version": "2.0", "requestContext": {"http": {"path": SECRET}}},
    {"version": "0", "source": "my.own", "detail-type": "x", "detail": {"a": SECRET}},
]


@pytest.mark.parametrize("asked", NO_REQUESTS, ids=lambda asked: str(asked)[:40])
def test_an_event_that_is_no_request_gets_a_problem_and_leaves_no_trace_of_itself(
    asked: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")

    with echoing() as handler:
        answer = handler(asked, CONTEXT)

    problem = _body(answer)
    assert (answer["statusCode"], problem["code"]) == (400, "invalid-body")
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert answer["isBase64Encoded"] is False
    written = capsys.readouterr().out
    assert SECRET not in written
    assert '"ForeignEvents":[1.0]' in written


def test_a_queue_is_told_that_its_records_were_not_taken() -> None:
    with echoing() as handler:
        answer = handler({"Records": [{"messageId": "1"}]}, CONTEXT)

    assert answer["batchItemFailures"] == [{"itemIdentifier": ""}]


def test_a_ping_is_answered_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    ping = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {"a": SECRET}}

    with echoing() as handler:
        answer = handler(ping, CONTEXT)

    written = capsys.readouterr().out
    assert (answer["statusCode"], answer["body"]) == (204, "")
    assert '"Pings":[1.0]' in written
    assert SECRET not in written


def test_no_variable_has_a_requests_body_logged(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")
    asked = {**event("start_rest_v1"), "body": SECRET}
    asked["queryStringParameters"] = {"cursor": SECRET}

    with echoing() as handler:
        answer = handler(asked, CONTEXT)

    assert SECRET in answer["body"]
    assert SECRET not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("start_rest_v1", "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"),
        ("send_http_v2", "JKJaXmPLvHcESHA="),
        ("end_alb_multi_value", "Root=1-697e0a32-5d1f6b2c3e4a5b6c7d8e9f04"),
    ],
)
def test_log_lines_of_a_call_carry_the_id_that_aws_gave_it(
    name: str, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        logging.getLogger("millrace.http").warning("noted")
        await nothing(scope, receive, send)

    with echoing(noting) as handler:
        handler(event(name), CONTEXT)
        handler({}, CONTEXT)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    noted = next(line for line in lines if line.get("message") == "noted")
    refused = next(line for line in lines if "no request" in str(line.get("message")))
    assert noted["correlation_id"] == found
    assert "correlation_id" not in refused


def test_a_denial_stands_among_a_functions_log_in_bounds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def denying(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(100):
            deny(Denial("forbidden", "0123", "/stream/start", "192.0.2.7"))
        await nothing(scope, receive, send)

    with echoing(denying) as handler:
        handler(event("start_rest_v1"), CONTEXT)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    denied = [line for line in lines if line.get("log") == "audit"]
    # At most two seconds are touched.
    assert MOST_PER_SECOND <= len(denied) <= 2 * MOST_PER_SECOND + 1
    assert (denied[0]["reason"], denied[0]["client"]) == ("forbidden", "192.0.2.7")
    assert denied[0]["correlation_id"]


def test_a_clients_own_chatter_is_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = logging.getLogger("aiokafka")
    monkeypatch.setattr(kafka, "level", logging.NOTSET)

    with echoing() as handler:
        handler(event("start_rest_v1"), CONTEXT)

    assert kafka.getEffectiveLevel() == logging.WARNING


def test_settings_that_cannot_be_used_fail_the_call_and_are_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def unusable(work: Coroutine[Any, Any, Any]) -> Any:
        work.close()
        raise ConfigurationInvalid("KAFKA_BROKER is not set")

    with (
        echoing(run=unusable) as handler,
        pytest.raises(ConfigurationInvalid, match="KAFKA_BROKER"),
    ):
        handler(event("start_rest_v1"), CONTEXT)

    assert '"ConfigurationFaults":[1.0]' in capsys.readouterr().out


def test_no_line_holds_a_credential_whoever_put_it_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    key, _ = generated()
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhY21lIn0.c2lnbmF0dXJl"

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        logging.getLogger("millrace.http").warning("noted %s", key, extra={"found": [token]})
        await nothing(scope, receive, send)

    with echoing(noting) as handler:
        handler(event("start_rest_v1"), CONTEXT)

    written = capsys.readouterr().out
    noted = next(line for line in written.splitlines() if "noted" in line)
    assert json.loads(noted)["message"] == "noted [redacted]"
    assert key not in written
    assert token not in written
