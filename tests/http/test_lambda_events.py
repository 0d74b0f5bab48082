"""What a function is called with, judged without any adapter."""

from __future__ import annotations

from typing import Any

import pytest

from streaming_runtime.http.lambda_events import (
    body_of,
    correlation_of,
    kind_of,
    readable,
    without_stage,
)
from tests.functions.lambda_process import event


@pytest.mark.parametrize(
    "name", ["start_rest_v1", "send_http_v2", "results_alb", "end_alb_multi_value"]
)
def test_requests_are_known(name: str) -> None:
    assert kind_of(event(name)) == "request"


@pytest.mark.parametrize("source", ["aws.events", "aws.scheduler"])
def test_schedules_are_known(source: str) -> None:
    assert kind_of({"source": source, "detail-type": "Scheduled Event"}) == "ping"


def test_only_a_named_stage_is_taken_from_the_path() -> None:
    def path_of(stage: str | None, path: str) -> str:
        asked = {"requestContext": {"stage": stage, "http": {"path": path}}}
        found: str = without_stage(asked)["requestContext"]["http"]["path"]
        return found

    assert path_of("prod", "/prod/streams") == "/streams"
    assert path_of("prod", "/streams") == "/streams"
    assert path_of("prod", "/other/streams") == "/other/streams"
    assert path_of("$default", "/streams") == "/streams"
    assert path_of(None, "/streams") == "/streams"
    assert path_of("stream", "/stream/stream/start") == "/stream/start"


def test_other_events_keep_their_path() -> None:
    for name in ("start_rest_v1", "results_alb"):
        asked = event(name)

        assert without_stage(asked) is asked


def test_an_event_is_not_changed() -> None:
    asked = event("send_http_v2")

    readable(asked)

    assert asked == event("send_http_v2")


@pytest.mark.parametrize(
    ("body", "is_base64", "read"),
    [
        ("eyJkYXRhIjoxfQ==", True, b'{"data":1}'),
        ("", True, b""),
        (None, True, b""),
        (None, False, b""),
        ("ä", False, "ä".encode()),
        ("eyJkYXRhIjoxfQ", True, None),
        ("eyJk*XRhIjoxfQ==", True, None),
        ("ä", True, None),
        ("\ud800", False, None),
    ],
)
def test_a_body_is_read_or_found_to_be_none(
    body: str | None, is_base64: bool, read: bytes | None
) -> None:
    assert body_of({"body": body, "isBase64Encoded": is_base64}) == read


@pytest.mark.parametrize(
    "odd",
    [
        {"requestContext": {"requestId": {"a": 1}}},
        {"requestContext": {}},
        {"requestContext": {}, "headers": None, "multiValueHeaders": None},
        {"requestContext": {}, "multiValueHeaders": {"x-amzn-trace-id": []}},
        {"requestContext": {}, "multiValueHeaders": {"x-amzn-trace-id": 1}},
        {"requestContext": {}, "headers": [1, 2], "multiValueHeaders": "x"},
    ],
)
def test_an_id_that_is_none_is_left_out(odd: dict[str, Any]) -> None:
    assert correlation_of(odd) is None


def test_an_id_has_a_bound() -> None:
    assert len(correlation_of({"requestContext": {"requestId": "x" * 9_999}}) or "") == 200
