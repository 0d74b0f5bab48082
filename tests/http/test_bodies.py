"""What each body may hold, and what is said of one that may not be."""

from __future__ import annotations

from typing import Any

import pytest

from streaming_runtime.core.errors import (
    BatchTooLarge,
    InvalidBody,
    RecordTooLarge,
    StreamingError,
)
from streaming_runtime.http.bodies import (
    MAX_DATA_BYTES,
    ClientGone,
    oversized_send,
    parse_batch,
    parse_nothing,
    parse_record,
    read_body,
)


def record(data: bytes) -> bytes:
    return b'{"data":' + data + b"}"


@pytest.mark.parametrize(
    "data",
    [
        b"9007199254740993",
        b"-0",
        b"1E400",
        b"0.1000",
        b'"\\u0041\\/"',
        b'{"b":1,"a":[1,2],"b":3}',
        b"9" * 6_000,
        b"null",
        b'"\xf0\x9f\x98\x80"',
        b"[" * 100 + b"]" * 100,
    ],
)
def test_data_is_handed_on_token_for_token(data: bytes) -> None:
    assert parse_record(record(data)) == data


def test_white_space_around_the_data_goes() -> None:
    assert parse_record(b' \r\n{ "data" :\t[1, 2] \n} \n') == b"[1, 2]"


def test_the_name_of_the_member_may_be_escaped() -> None:
    assert parse_record(b'{"d\\u0061ta":1}') == b"1"


@pytest.mark.parametrize(
    "body, said",
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"{}", "missing required field `data`"),
        (b'{"data":1,"other":2}', "unknown field `other`"),
        (b'{"data":1,"data":2}', "given twice"),
        (b'{"data":1,"d\\u0061ta":2}', "given twice"),
        (b'{"data":1}{"data":2}', "not valid JSON"),
        (b'{"data":1} x', "not valid JSON"),
        (b'"data"', "Expected `object`"),
        (record(b"NaN"), "not valid JSON"),
        (record(b"[-Infinity]"), "not valid JSON"),
        (record(b"01"), "not valid JSON"),
        (record(b"'x'"), "not valid JSON"),
        (record(b'"\\ud800"'), "surrogate"),
        (record(b'"\xff"'), "UTF-8"),
        (record(b"[" * 101 + b"]" * 101), "100 levels"),
        (record(b"[" * 100_000), "100 levels"),
        (b"\xef\xbb\xbf" + record(b"1"), "not valid JSON"),
        (b"\x00", "not valid JSON"),
    ],
)
def test_a_body_that_is_no_record_is_refused_with_the_reason(body: bytes, said: str) -> None:
    with pytest.raises(InvalidBody, match=said):
        parse_record(body)


def test_a_record_of_256_kib_is_taken_and_one_byte_more_is_not() -> None:
    text = b'"' + b"x" * (MAX_DATA_BYTES - 2) + b'"'

    assert parse_record(record(text)) == text
    with pytest.raises(RecordTooLarge):
        parse_record(record(text[:-1] + b'x"'))


def test_each_record_of_a_batch_is_judged_by_itself() -> None:
    batch = b'[{"data":1}, {"dat":2}, 7, {"data":4,"data":5}, {"data":[3] } ]'

    judged = parse_batch(batch)

    assert [one if isinstance(one, bytes) else type(one) for one in judged] == [
        b"1",
        InvalidBody,
        InvalidBody,
        InvalidBody,
        b"[3]",
    ]


def test_a_deep_record_spoils_itself_and_not_its_batch() -> None:
    deep = record(b"[" * 101 + b"]" * 101)

    judged = parse_batch(b"[" + record(b"1") + b"," + deep + b"]")

    assert judged[0] == b"1"
    assert "100 levels" in str(judged[1])


def test_a_batch_holds_a_thousand_records_and_no_more() -> None:
    assert len(parse_batch(b"[" + b",".join([record(b"1")] * 1_000) + b"]")) == 1_000
    with pytest.raises(BatchTooLarge):
        parse_batch(b"[" + b",".join([record(b"1")] * 1_001) + b"]")


@pytest.mark.parametrize(
    "body, said",
    [
        (b"[]", "1 to 1,000"),
        (b"[ ]", "1 to 1,000"),
        (b'[{"data":1},]', "not valid JSON"),
        (b'[{"data":NaN}]', "not valid JSON"),
        (b'[{"data":1},{"data":"\\ud800"}]', "surrogate"),
        (b'[{"data":1},{"data":"\xff"}]', "UTF-8"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_a_batch_that_is_empty_or_no_json_is_refused_whole(body: bytes, said: str) -> None:
    with pytest.raises(InvalidBody, match=said):
        parse_batch(body)


def test_what_is_said_of_a_body_does_not_grow_with_it() -> None:
    with pytest.raises(InvalidBody) as refused:
        parse_record(b'{"' + b"x" * 10_000 + b'":1}')

    assert len(str(refused.value)) < 300


def test_a_route_without_a_body_takes_none_or_an_empty_object() -> None:
    parse_nothing(b"")
    parse_nothing(b" {} ")

    for body in (b'{"a":1}', b"[]", b"x"):
        with pytest.raises(InvalidBody):
            parse_nothing(body)


async def body_of(pieces: list[bytes], limit: int) -> bytes:
    events: list[Any] = [
        {"type": "http.request", "body": piece, "more_body": index < len(pieces) - 1}
        for index, piece in enumerate(pieces)
    ] + [{"type": "http.disconnect"}]

    async def receive() -> Any:
        return events.pop(0)

    return await read_body(receive, limit, oversized_send)


async def test_a_body_is_joined_from_its_pieces() -> None:
    assert await body_of([b"ab", b"", b"cd"], 4) == b"abcd"


@pytest.mark.parametrize(
    "pieces, refusal",
    [([b'{"data":', b"12345"], RecordTooLarge), ([b"  ", b"\n [", b"12345"], BatchTooLarge)],
)
async def test_a_body_over_the_limit_is_refused_by_what_it_begins_with(
    pieces: list[bytes], refusal: type[StreamingError]
) -> None:
    with pytest.raises(refusal):
        await body_of(pieces, 8)


async def test_a_client_that_leaves_within_its_body_has_sent_nothing() -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGone):
        await read_body(receive, 8, oversized_send)
