from __future__ import annotations

import json

import pytest

from streaming_runtime.core.errors import ProcessingFailed
from streaming_runtime.processing.results import Results, problem
from tests.processing.records import KEY, record

NOW = 2_000


def results() -> Results:
    return Results("results", lambda: NOW)


def test_a_result_lands_beside_its_input_with_the_headers_of_the_contract() -> None:
    headers = {"sent-at": b"1500", "traceparent": b"00-1-2-01"}

    made = results().make(record(), headers, "result", b"1")

    assert (made.topic, made.partition, made.key, made.value) == ("results", 2, KEY, b"1")
    assert made.headers == [
        ("kind", b"result"),
        ("source", b"2-7"),
        ("sent-at", b"1500"),
        ("processed-at", b"2000"),
        ("traceparent", b"00-1-2-01"),
    ]
    assert (made.timestamp, made.age_ms) == (NOW, 500)


def test_one_of_several_results_says_which() -> None:
    made = results().make(record(), {}, "result", b"1", part=3)

    assert dict(made.headers)["source"] == b"2-7-3"


@pytest.mark.parametrize("sent_at", [None, b"", b"-1", b"\xff", b"9" * 14, b"1e3", b" 1000"])
def test_an_unusable_sent_at_gives_way_to_kafkas_own_time(sent_at: bytes | None) -> None:
    made = results().make(record(timestamp=900), {"sent-at": sent_at}, "result", b"1")

    assert dict(made.headers)["sent-at"] == b"900"


@pytest.mark.parametrize("timestamp", [-1, 10**14])
def test_and_an_unusable_time_of_kafka_to_now(timestamp: int) -> None:
    made = results().make(record(timestamp=timestamp), {}, "result", b"1")

    assert dict(made.headers)["sent-at"] == b"2000"


def test_a_clock_ahead_of_ours_gives_no_negative_age() -> None:
    assert results().make(record(), {"sent-at": b"9000"}, "end", b"null").age_ms == 0


def test_an_absurd_traceparent_is_left_out() -> None:
    made = results().make(record(), {"traceparent": b"t" * 257}, "result", b"1")

    assert "traceparent" not in dict(made.headers)


def test_a_problem_is_that_of_processing_failed_without_status_and_request_id() -> None:
    assert json.loads(problem("why")) == {
        "type": "/problems/processing-failed",
        "title": ProcessingFailed.title,
        "detail": "why",
        "code": "processing-failed",
        "retriable": False,
    }
