"""The exact bytes of control events, in both forms."""

from __future__ import annotations

import json

import pytest

from streaming_runtime.core.cursor import CursorSeal
from streaming_runtime.core.model import Height, LogEntry
from streaming_runtime.core.reading import Delivery, Gap
from streaming_runtime.core.results import EncodedResult, ResultEncoder
from streaming_runtime.http.answers import EVENT_STREAM, NDJSON
from streaming_runtime.http.event_forms import FORMS, jittered_ms

SSE, LINES = FORMS[EVENT_STREAM], FORMS[NDJSON]
GAP = Gap("asked", "first", "retention")
ENCODER = ResultEncoder(CursorSeal(b"secret"), "AAAAAAAA")
RESULT = EncodedResult(
    LogEntry("a" * 22, 7, "result", "0-5", Height(5), b'{\n"n":1}', 1_000, 2_000), ENCODER
)


def test_an_event_stream_opens_with_retry_and_a_bare_id() -> None:
    assert SSE.opening("C", 1_500) == b"retry: 1500\nid: C\n\n"


def test_before_a_gap_only_retry_opens_so_that_no_id_passes_over_what_is_gone() -> None:
    assert SSE.opening(None, 1_500) == b"retry: 1500\n\n"
    assert LINES.opening(None, 1_500) == b""


def test_a_gap_names_what_was_asked_what_exists_and_why() -> None:
    data = b'{"requested":"asked","earliest":"first","reason":"retention"}'

    assert SSE.gap(GAP) == b"id: first\nevent: gap\ndata: " + data + b"\n\n"
    assert json.loads(LINES.gap(GAP)) == {
        "control": "gap",
        "cursor": "first",
        **json.loads(data),
    }


@pytest.mark.parametrize("name", ["slow", "reconnect"])
def test_a_farewell_tells_the_position_and_when_to_come_back(name: str) -> None:
    farewell = b'id: C\n\nretry: 900\nevent: %b\ndata: {"retry_ms":900}\n\n' % name.encode()

    assert getattr(SSE, name)(900, "C") == farewell
    assert json.loads(getattr(LINES, name)(900, "C")) == {
        "control": name,
        "cursor": "C",
        "retry_ms": 900,
    }


def test_a_problem_is_an_event_without_id_and_stands_under_problem_in_a_line() -> None:
    assert SSE.error({"code": "overloaded"}) == b'event: error\ndata: {"code":"overloaded"}\n\n'
    assert SSE.error(b"{}", 700) == b"retry: 700\nevent: error\ndata: {}\n\n"
    assert json.loads(LINES.error(b'{"code":"overloaded"}', 700)) == {
        "control": "error",
        "problem": {"code": "overloaded"},
        "retry_ms": 700,
    }


def test_a_result_is_one_event_or_one_line_with_its_own_id_where_it_has_one() -> None:
    for own_id in (None, "own"):
        delivery = Delivery(RESULT, own_id)

        event, line = SSE.result(delivery), LINES.result(delivery)

        assert event == b"id: %b\ndata: %b\n\n" % (delivery.id.encode(), line.rstrip(b"\n"))
        assert line.count(b"\n") == 1
        assert json.loads(line)["id"] == delivery.id


def test_what_only_moves_the_position_or_keeps_the_connection_shows_nothing() -> None:
    assert SSE.position("C") == b"id: C\n\n"
    assert json.loads(LINES.position("C")) == {"control": "position", "cursor": "C"}
    assert SSE.heartbeat.startswith(b":")
    assert LINES.heartbeat == b"\n"


def test_jitter_stays_within_its_bounds_and_is_not_one_number() -> None:
    drawn = {jittered_ms(100, 500) for _ in range(200)}

    assert drawn <= set(range(100, 501))
    assert len(drawn) > 10
