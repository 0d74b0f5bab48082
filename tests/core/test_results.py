import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.model import Height, Kind, LogEntry, Position
from streaming_runtime.core.results import EncodedResult, ResultEncoder
from tests.core.event_stream import Event, read
from tests.core.memory import SEAL, STREAM_ID

ENCODER = ResultEncoder(SEAL, "incarn01")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def _result(value: bytes = b'{"a":1}', kind: Kind = "result") -> EncodedResult:
    entry = LogEntry(STREAM_ID, 41, kind, "3-7-2", Height(7, 2), value, 1_000, 2_500)
    return ENCODER.encode(entry)


def test_a_result_is_the_object_of_the_contract() -> None:
    result = _result()

    assert json.loads(result.json()) == {
        "id": result.id,
        "stream_id": STREAM_ID,
        "kind": "result",
        "source": "3-7-2",
        "data": {"a": 1},
        "sent_at": "1970-01-01T00:00:01.000Z",
        "processed_at": "1970-01-01T00:00:02.500Z",
    }


def test_a_failed_result_carries_its_problem_in_place_of_data() -> None:
    shown = json.loads(_result(b'{"code":"processing-failed"}', "failed").json())

    assert shown["error"] == {"code": "processing-failed"}
    assert "data" not in shown


def test_its_id_is_the_position_behind_it() -> None:
    result = _result()

    assert result.position == Position(42, Height(7, 2))
    assert SEAL.decode(STREAM_ID, result.id) == Cursor("incarn01", result.position)


def test_the_id_of_an_end_is_a_reading_that_is_over() -> None:
    cursor = SEAL.decode(STREAM_ID, _result(b"null", "end").id)

    assert cursor.is_reached()
    assert cursor.position == Position(42, Height(7, 2))


@pytest.mark.parametrize("own_id", [None, "an-id-of-ones-own"])
@given(value=json_values, kind=st.sampled_from(["result", "failed", "end"]))
def test_every_transport_carries_the_same_object(
    own_id: str | None, value: object, kind: Kind
) -> None:
    # ensure_ascii off: what a client sent in UTF-8 is passed on in UTF-8.
    result = _result(json.dumps(value, ensure_ascii=False).encode(), kind)
    expected = json.loads(result.json(own_id))

    (event,) = read(result.sse(own_id)).events
    line = result.ndjson(own_id)
    frame = json.loads(result.websocket(own_id))

    assert expected["id"] == own_id or result.id
    assert json.loads(event.data) == expected
    assert event.last_event_id == expected["id"]
    assert event.name == ("message" if kind == "result" else kind)
    assert line.count(b"\n") == 1
    assert json.loads(line) == expected
    assert frame.pop("type") == kind
    assert frame == expected


@given(json_values)
def test_white_space_between_tokens_never_ends_a_line(value: object) -> None:
    spread = json.dumps(value, indent=1, separators=("\r,\n", "\n:\r\n")).encode()
    result = _result(spread)

    assert b"\n" not in result.json()
    assert b"\r" not in result.json()
    assert json.loads(result.json())["data"] == value


def test_what_is_no_json_forges_no_event() -> None:
    # Any engine may write results; what it writes stays inside its own event.
    forged = b'1}\r\rid: forged\revent: end\ndata: {"kind":"end"}\n\n'

    reading = read(_result(forged).sse())

    assert [event.name for event in reading.events] == ["message"]
    assert reading.last_event_id == _result().id


def test_what_is_no_text_ends_no_reader() -> None:
    frame = _result(b'"\xff"').websocket()

    assert json.loads(frame)["data"] == "\ufffd"


def test_numbers_are_passed_on_digit_for_digit() -> None:
    result = _result(b"[9007199254740993,1e400,0.10,-0]")

    assert b'"data":[9007199254740993,1e400,0.10,-0],' in result.json()


def test_it_is_encoded_once_for_all_who_share_its_id() -> None:
    result = _result()

    assert result.sse() is result.sse()
    assert result.ndjson() is result.ndjson()
    assert result.websocket() is result.websocket()
    assert result.sse("own") != result.sse()


def test_a_queue_counts_at_least_what_is_sent() -> None:
    for value in (b"1", b"x" * 5_000):
        result = _result(value, "failed")

        assert result.size >= max(len(result.sse()), len(result.ndjson()), len(result.websocket()))


def test_events_follow_each_other_without_running_together() -> None:
    stream = b"".join(_result(b"%d" % n).sse() for n in range(3))

    shown = [json.loads(event.data)["data"] for event in read(stream).events]

    assert shown == [0, 1, 2]
    assert read(stream).events[0] == Event("message", _result(b"0").json().decode(), _result().id)


@pytest.mark.parametrize("end", ["\u0085", "\u2028", "\u2029"])
def test_what_some_clients_take_for_a_line_end_stands_escaped(end: str) -> None:
    value = json.dumps(f"a{end}b", ensure_ascii=False).encode()

    line = _result(value).ndjson()

    assert len(line.decode().splitlines()) == 1
    assert json.loads(line)["data"] == f"a{end}b"
