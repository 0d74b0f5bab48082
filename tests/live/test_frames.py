import json

import pytest

from streaming_runtime.core.errors import RateLimited
from streaming_runtime.core.model import Receipt
from streaming_runtime.core.reading import Gap
from streaming_runtime.live import frames
from streaming_runtime.live.frames import BadSend, NotAFrame, SendFrame, parse_send


def accepted(text: str) -> SendFrame:
    frame = parse_send(text)
    assert isinstance(frame, SendFrame)
    return frame


def refused(text: str) -> BadSend:
    frame = parse_send(text)
    assert isinstance(frame, BadSend)
    return frame


def test_data_and_ref_stay_the_clients_own_bytes() -> None:
    frame = accepted('{"type":"send","data":{"n": 9007199254740993, "x": 1.0},"ref":[1, "é"]}')

    assert bytes(frame.data) == b'{"n": 9007199254740993, "x": 1.0}'
    assert json.loads(frames.receipt("s", Receipt(3, 7), frame.ref)) == {
        "type": "receipt",
        "ref": [1, "é"],
        "stream_id": "s",
        "record_id": "3-7",
        "partition": 3,
        "offset": 7,
    }


def test_a_ref_is_optional() -> None:
    frame = accepted('{"type":"send","data":null}')

    assert json.loads(frames.receipt("s", Receipt(0, 0), frame.ref))["ref"] is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[]",
        "1",
        "[" * 100_000,
        '{"type":"receive"}',
        '{"data":1}',
        '{"type":1}',
        '{"type":"send"',
    ],
)
def test_what_is_no_send_at_all_is_no_frame(text: str) -> None:
    with pytest.raises(NotAFrame):
        parse_send(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"type":"send","ref":7}', "invalid-body"),
        ('{"type":"send","ref":7,"data":1,"dat":2}', "invalid-body"),
        ('{"type":"send","ref":7,"data":' + "[" * 101 + "]" * 101 + "}", "invalid-body"),
        ('{"type":"send","ref":7,"data":"\\ud800"}', "invalid-body"),
        ('{"type":"send","ref":7,"data":NaN}', "invalid-body"),
        ('{"type":"send","ref":7,"data":1,"data":2}', "invalid-body"),
        ('{"type":"send","ref":7,"data":"' + "x" * 263_000 + '"}', "record-too-large"),
    ],
)
def test_a_bad_send_is_refused_under_its_ref(text: str, code: str) -> None:
    bad = refused(text)

    assert bad.reason.code == code
    answer = json.loads(frames.send_error(bad.reason, bad.ref, "r1"))
    assert answer["ref"] == 7
    assert answer["problem"]["code"] == code
    assert answer["problem"]["request_id"] == "r1"


def test_data_may_hold_members_of_that_name() -> None:
    assert bytes(accepted('{"type":"send","data":{"data":["data"]}}').data) == b'{"data":["data"]}'


def test_a_hundred_levels_of_data_are_fine() -> None:
    accepted('{"type":"send","data":' + "[" * 100 + "]" * 100 + "}")


def test_a_hundred_thousand_brackets_are_refused_without_a_ref() -> None:
    assert refused('{"type":"send","data":' + "[" * 100_000).reason.code == "invalid-body"


def test_half_a_surrogate_in_a_ref_is_not_sent_back() -> None:
    bad = refused('{"type":"send","data":1,"ref":"\\udc00"}')

    assert json.loads(frames.send_error(bad.reason, bad.ref, "r"))["ref"] is None


def test_a_limit_says_when_to_come_back_although_there_are_no_headers() -> None:
    limited = RateLimited()
    limited.headers["Retry-After"] = "3"

    problem = json.loads(frames.error(limited, "r"))["problem"]

    assert problem["retry_after_seconds"] == 3
    assert problem["retriable"] is True


def test_a_gap_carries_the_position_that_still_exists() -> None:
    frame = json.loads(frames.gap(Gap("old", "new", "retention")))

    assert frame == {
        "type": "gap",
        "id": "new",
        "requested": "old",
        "earliest": "new",
        "reason": "retention",
    }


def test_farewells_carry_the_cursor_to_come_back_with() -> None:
    assert json.loads(frames.leaving("reconnect", 500, "c")) == {
        "type": "reconnect",
        "retry_ms": 500,
        "cursor": "c",
    }
