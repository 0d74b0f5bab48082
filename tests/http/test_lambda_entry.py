"""Events in, answers out, without Kafka."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar.types import Receive, Scope, Send

from streaming_runtime.http.answers import Answer
from streaming_runtime.http.lambda_entry import LoopBridge, without_stage
from tests.functions.lambda_process import event


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what was asked."""
    asked: Any = await receive()
    gone: Any = await receive()
    assert gone["type"] == "http.disconnect"
    path = scope["path"].encode()
    await Answer(path + b" " + asked["body"], media_type="text/plain")(scope, receive, send)


BRIDGE = LoopBridge(echo, asyncio.run)


def test_a_rest_api_a_http_api_and_a_load_balancer_are_understood() -> None:
    rest = BRIDGE(event("start_rest_v1"), None)
    http = BRIDGE(without_stage(event("send_http_v2", STREAM_ID="s")), None)
    balancer = BRIDGE(event("results_alb", STREAM_ID="s"), None)

    assert rest["body"] == '/stream/start {"processor": "uppercase"}'
    assert http["body"] == '/stream/s/send {"data": "sample data"}'
    assert balancer["body"] == "/stream/s/results "
    assert {rest["statusCode"], http["statusCode"], balancer["statusCode"]} == {200}


def test_only_a_named_stage_is_taken_from_the_path() -> None:
    def path_of(stage: str | None, path: str) -> str:
        asked = {"requestContext": {"stage": stage, "http": {"path": path}}}
        found: str = without_stage(asked)["requestContext"]["http"]["path"]
        return found

    assert path_of("prod", "/prod/streams") == "/streams"
    assert path_of("prod", "/streams") == "/streams"
    assert path_of("$default", "/streams") == "/streams"
    assert path_of(None, "/streams") == "/streams"
    assert path_of("stream", "/stream/stream/start") == "/stream/start"


def test_other_events_stay_as_they_are() -> None:
    for name in ("start_rest_v1", "results_alb"):
        asked = event(name)

        assert without_stage(asked) is asked


def test_an_event_is_not_changed() -> None:
    asked = event("send_http_v2")

    without_stage(asked)

    assert asked == event("send_http_v2")
