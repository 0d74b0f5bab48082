"""POST /stream/{id}/send with a JSON array."""

from __future__ import annotations

import json

from ..case import each
from ..client.answer import check_problem
from ..client.api import UNKNOWN, Api
from ..client.stream import Stream
from ..client.strict_json import Json

LARGEST = 256 << 10
GOOD = b'{"data":1}'


async def _send(stream: Stream, *records: object) -> Json:
    return (await stream.post(json.dumps(records).encode())).ok(207)


def _data(*values: object) -> list[Json]:
    return [{"data": value} for value in values]


async def an_array_is_answered_207_with_counts_and_records(api: Api) -> None:
    stream = await api.start()

    answer = await _send(stream, *_data("a", "b"))

    assert answer.keys() == {"accepted", "failed", "records"}
    assert (answer["accepted"], answer["failed"], len(answer["records"])) == (2, 0, 2)


async def each_record_of_an_array_has_a_receipt_in_its_place(api: Api) -> None:
    stream = await api.start()

    receipts = (await _send(stream, *_data(*range(20))))["records"]

    for receipt in receipts:
        assert receipt.keys() == {"stream_id", "record_id", "partition", "offset"}
        assert receipt["stream_id"] == stream.id
    results = await stream.results(20)
    assert [result["source"] for result in results] == [r["record_id"] for r in receipts]


async def the_records_of_an_array_keep_their_order(api: Api) -> None:
    stream = await api.start()

    await _send(stream, *_data(*range(300)))

    assert [result["data"] for result in await stream.results(300)] == list(range(300))


async def an_array_of_one_is_an_array(api: Api) -> None:
    answer = await _send(await api.shared(), *_data(None))

    assert answer["accepted"] == 1


async def an_array_holds_up_to_1_000_records(api: Api) -> None:
    stream = await api.start()

    answer = await _send(stream, *_data(*range(1_000)))

    assert (answer["accepted"], answer["failed"]) == (1_000, 0)
    assert [result["data"] for result in await stream.results(1_000)] == list(range(1_000))


async def an_array_of_1_001_records_is_refused_as_a_whole(api: Api) -> None:
    stream = await api.start()

    (await stream.post(b"[" + b",".join([GOOD] * 1_001) + b"]")).refused("batch-too-large")

    await stream.send("alone")
    assert [result["data"] for result in await stream.results(1)] == ["alone"]


async def an_array_has_up_to_1_mib(api: Api) -> None:
    stream = await api.shared()
    record = b'{"data":"%b"}' % (b"x" * (LARGEST - 2))
    body = b"[" + b",".join([record] * 3) + b"," + GOOD
    body += b" " * ((1 << 20) - len(body) - 1) + b"]"

    assert (await stream.post(body)).ok(207)["accepted"] == 4


@each({"one byte more": (1 << 20) + 1, "3 MB": 3_000_000})
async def an_array_of_more_bytes_is_refused_as_a_whole(api: Api, size: int) -> None:
    stream = await api.shared()
    record = b'{"data":"%b"}' % (b"x" * 200_000)
    body = b"[" + b",".join([record] * (size // len(record))) + b"," + GOOD
    body += b" " * max(0, size - len(body) - 1) + b"]"

    (await stream.post(body)).refused("batch-too-large")


async def a_bad_record_is_refused_by_itself_and_the_others_are_stored(api: Api) -> None:
    stream = await api.start()

    answer = await _send(stream, {"data": 1}, {"data": 2, "more": 0}, 3, {}, None, {"data": 4})

    assert (answer["accepted"], answer["failed"]) == (2, 4)
    for record in answer["records"][1:-1]:
        check_problem(record, "invalid-body")
    assert [result["data"] for result in await stream.results(2)] == [1, 4]


async def a_record_that_is_too_large_is_refused_by_itself(api: Api) -> None:
    stream = await api.start()

    answer = await _send(stream, {"data": 1}, {"data": "x" * LARGEST}, {"data": 2})

    assert (answer["accepted"], answer["failed"]) == (2, 1)
    check_problem(answer["records"][1], "record-too-large")
    assert [result["data"] for result in await stream.results(2)] == [1, 2]


async def a_record_that_is_too_deep_is_refused_by_itself(api: Api) -> None:
    stream = await api.start()
    deep = b'{"data":' + b"[" * 101 + b"]" * 101 + b"}"

    answer = (await stream.post(b"[" + GOOD + b"," + deep + b"]")).ok(207)

    assert (answer["accepted"], answer["failed"]) == (1, 1)
    check_problem(answer["records"][1], "invalid-body")


async def a_record_of_exactly_100_levels_is_stored_from_an_array(api: Api) -> None:
    stream = await api.shared()
    deep = b'{"data":' + b"[" * 100 + b"]" * 100 + b"}"

    assert (await stream.post(b"[" + deep + b"]")).ok(207)["accepted"] == 1


async def an_array_of_nothing_but_bad_records_stores_nothing(api: Api) -> None:
    answer = await _send(await api.shared(), 1, "two", [])

    assert (answer["accepted"], answer["failed"]) == (0, 3)


@each(
    {
        "empty": b"[]",
        "not closed": b"[" + GOOD,
        "a comma too many": b"[" + GOOD + b",]",
        "no comma": b"[" + GOOD + GOOD + b"]",
        "something behind it": b"[" + GOOD + b"]x",
        "two of them": b"[" + GOOD + b"][" + GOOD + b"]",
        "bad UTF-8": b'[{"data":"\xff"}]',
        "100,000 brackets": b"[" * 100_000,
    }
)
async def a_text_that_is_no_array_of_records_is_refused_as_a_whole(api: Api, body: bytes) -> None:
    stream = await api.shared()

    (await stream.post(body)).refused("invalid-body")


async def the_data_of_an_array_is_passed_on_token_for_token(api: Api) -> None:
    stream = await api.start()

    await stream.post(b'[{"data":9007199254740993},{"data":{"a":1.50,"a":"\\u20ac"}}]')

    await stream.results(2)
    body = (await stream.ask_page()).body
    assert b'"data":9007199254740993' in body
    assert b'{"a":1.50,"a":"\\u20ac"}' in body


async def white_space_before_an_array_changes_nothing(api: Api) -> None:
    answer = await (await api.shared()).post(b" \n\t[" + GOOD + b" ] ")

    assert answer.ok(207)["accepted"] == 1


async def an_array_to_an_unknown_stream_is_refused(api: Api) -> None:
    answer = await api.post(f"/stream/{UNKNOWN}/send", b"[" + GOOD + b"]")

    answer.refused("unknown-stream")


async def an_array_to_an_ended_stream_is_refused(api: Api) -> None:
    stream = await api.start()
    await stream.end()

    (await stream.post(b"[" + GOOD + b"]")).refused("stream-ended")


async def arrays_one_after_the_other_keep_their_order(api: Api) -> None:
    stream = await api.start()

    for first in range(0, 50, 10):
        await _send(stream, *_data(*range(first, first + 10)))

    assert [result["data"] for result in await stream.results(50)] == list(range(50))
