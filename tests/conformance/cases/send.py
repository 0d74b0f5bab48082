"""POST /stream/{id}/send with one record."""

from __future__ import annotations

import asyncio
import json
import re

from ..case import each
from ..client.api import UNKNOWN, Api

LARGEST = 256 << 10
GOOD = b'{"data":1}'


async def a_receipt_names_stream_record_partition_and_offset(api: Api) -> None:
    stream = await api.start()

    receipt = await stream.send("sample data")

    assert receipt.keys() == {"stream_id", "record_id", "partition", "offset"}
    assert receipt["stream_id"] == stream.id
    assert isinstance(receipt["partition"], int)
    assert isinstance(receipt["offset"], int)


async def a_record_id_is_partition_and_offset(api: Api) -> None:
    receipt = await (await api.shared()).send(1)

    assert receipt["record_id"] == f"{receipt['partition']}-{receipt['offset']}"


async def a_stream_lives_in_one_partition_and_its_offsets_grow(api: Api) -> None:
    stream = await api.start()

    receipts = await stream.send_all(*range(5))

    offsets = [receipt["offset"] for receipt in receipts]
    assert len({receipt["partition"] for receipt in receipts}) == 1
    assert offsets == sorted(set(offsets))


async def a_result_has_the_record_as_its_source(api: Api) -> None:
    stream = await api.start()

    receipt = await stream.send(1)

    [result] = await stream.results(1)
    assert result["source"] == receipt["record_id"]


@each(
    {
        "null": b"null",
        "true": b"true",
        "a text": b'"sample data"',
        "an empty text": b'""',
        "an empty object": b"{}",
        "an empty list": b"[]",
        "2^53 + 1": b"9007199254740993",
        "30 digits": b"123456789012345678901234567890",
        "300 digits": b"1" * 300,
        "trailing zeros": b"1.50",
        "a small e": b"1e5",
        "a plus in the exponent": b"1E+5",
        "more than a double holds": b"1e400",
        "less than a double holds": b"1e-400",
        "minus zero": b"-0",
        "minus zero point zero": b"-0.0",
        "17 digits behind the point": b"0.10000000000000001",
        "a euro sign in UTF-8": '"€"'.encode(),
        "a euro sign escaped": b'"\\u20ac"',
        "a capital escape": b'"\\u20AC"',
        "an emoji in UTF-8": '"😀"'.encode(),
        "an emoji as a surrogate pair": b'"\\ud83d\\ude00"',
        "an escaped slash": b'"\\/"',
        "a plain slash": b'"/"',
        "every short escape": b'"\\b\\f\\n\\r\\t\\"\\\\"',
        "an escaped NUL": b'"\\u0000"',
        "an escaped LF by its number": b'"\\u000a"',
        "a delete": b'"\x7f"',
        "a noncharacter": '"\ufffe\uffff"'.encode(),
        "a byte order mark in a text": '"\ufeff"'.encode(),
        "decomposed letters": '"e\u0301"'.encode(),
        "white space in a text": b'"  two  spaces "',
        "a name twice": b'{"a":1,"a":2}',
        "names not in order": b'{"b":1,"a":2}',
        "an empty name": b'{"":0}',
        "a name with an escape": b'{"\\u0061":0}',
        "a member named data": b'{"data":{"data":null}}',
        "a member named kind": b'{"kind":"end","id":"x","stream_id":"y"}',
        "an event of SSE": b'"\\n\\nevent: end\\ndata: {}\\n\\n"',
        "100 levels of lists": b"[" * 100 + b"]" * 100,
        "100 levels of objects": b'{"a":' * 99 + b"{}" + b"}" * 99,
    }
)
async def data_is_passed_on_token_for_token(api: Api, data: bytes) -> None:
    """`data` is passed on token for token (9007199254740993 stays itself)."""
    stream = await api.shared()

    answer = await stream.post(b'{"data":%b}' % data, prefer="wait=25")

    answer.ok(200)
    assert re.search(rb'"data":\s*' + re.escape(data) + rb"\s*[,}]", answer.body)


@each({"a line separator": "\u2028\u2029", "a next line": "\u0085"})
async def what_some_clients_take_for_the_end_of_a_line_keeps_its_value(api: Api, text: str) -> None:
    """It may be passed on as an escape, so that it ends no line of an event stream."""
    answer = await (await api.shared()).post(json.dumps({"data": text}).encode(), prefer="wait=25")

    assert answer.ok(200)["data"] == text


async def only_white_space_between_tokens_may_go(api: Api) -> None:
    stream = await api.start()

    answer = await stream.post(b' \r\n{\t"data" : [ 1 ,\n 2.50 , " a " ] } \n')

    assert answer.status == 202
    [_] = await stream.results(1)
    squeezed = (await stream.ask_page()).body.replace(b" a ", b"_a_")
    assert b'"data":[1,2.50,"_a_"]' in re.sub(rb"\s", b"", squeezed)


async def data_has_up_to_256_kib(api: Api) -> None:
    stream = await api.start()
    text = b"x" * (LARGEST - 2)

    assert (await stream.post(b'{"data":"%b"}' % text)).status == 202

    [result] = await stream.results(1)
    assert result["data"] == text.decode()


@each(
    {
        "one byte more": b"x" * (LARGEST - 1),
        "512 KiB": b"x" * (512 << 10),
        "5 MB": b"x" * 5_000_000,
    }
)
async def larger_data_is_refused(api: Api, text: bytes) -> None:
    stream = await api.shared()

    (await stream.post(b'{"data":"%b"}' % text)).refused("record-too-large")


@each(
    {
        "NaN": b"NaN",
        "Infinity": b"Infinity",
        "minus Infinity within": b'{"a":[-Infinity]}',
        "nan": b"nan",
        "a lone high surrogate": b'"\\ud800"',
        "a lone low surrogate": b'"\\udc00"',
        "surrogates the wrong way round": b'"\\ude00\\ud83d"',
        "a surrogate before a letter": b'"\\ud83da"',
        "a lone surrogate in a name": b'{"\\ud800":1}',
        "half a surrogate at the end": b'["\\ud83d"]',
        "bytes that are no UTF-8": b'"\xff\xfe"',
        "an overlong slash": b'"\xc0\xaf"',
        "a surrogate in UTF-8": b'"\xed\xa0\x80"',
        "half a character": b'"\xe2\x82"',
        "beyond Unicode": b'"\xf4\x90\x80\x80"',
        "Latin-1": b'"\xfc"',
        "101 levels": b"[" * 101 + b"]" * 101,
        "101 levels of objects": b'{"a":' * 101 + b"1" + b"}" * 101,
        "100,000 levels": b"[" * 100_000 + b"]" * 100_000,
        "100,000 levels without an end": b'{"a":' * 50_000,
        "a raw NUL": b'"\x00"',
        "a raw tab in a text": b'"\t"',
        "a raw LF in a text": b'"\n"',
        "single quotes": b"'a'",
        "a comma too many": b"[1,]",
        "a comma missing": b"[1 2]",
        "a comment": b"1/**/",
        "a leading zero": b"01",
        "a plus": b"+1",
        "a point first": b".5",
        "a point last": b"5.",
        "hexadecimal": b"0x10",
        "an exponent without digits": b"1e",
        "a bare word": b"data",
        "True": b"True",
        "a name without quotes": b"{a:1}",
        "an unknown escape": b'"\\x41"',
        "a short escape": b'"\\u20a"',
        "an open text": b'"a',
        "a form feed between tokens": b"[1,\x0c2]",
        "a no-break space between tokens": "[1,\u00a02]".encode(),
        "nothing": b"",
    }
)
async def data_that_is_no_json_is_refused(api: Api, data: bytes) -> None:
    """NaN, bad UTF-8, lone surrogates and nesting over 100 are 400."""
    stream = await api.shared()

    (await stream.post(b'{"data":%b}' % data)).refused("invalid-body")


@each(
    {
        "empty": b"",
        "white space": b" \n",
        "a text": b'"data"',
        "null": b"null",
        "no data": b"{}",
        "an unknown field": b'{"data":1,"more":2}',
        "an unknown field alone": b'{"Data":1}',
        "data twice": b'{"data":1,"data":2}',
        "two objects": GOOD + GOOD,
        "something behind it": GOOD + b"x",
        "a comma behind it": GOOD + b",",
        "half of it": b'{"data":',
        "UTF-16": '{"data":1}'.encode("utf-16"),
        "UTF-32": '{"data":1}'.encode("utf-32-le"),
        "a form": b"data=1",
    }
)
async def a_body_that_is_no_record_is_refused(api: Api, body: bytes) -> None:
    """body `{"data": any JSON}`; unknown fields are refused in every JSON body."""
    stream = await api.shared()

    (await stream.post(body)).refused("invalid-body")


async def a_refused_record_is_not_stored(api: Api) -> None:
    stream = await api.start()

    for body in (
        b'{"data":NaN}',
        b"{}",
        b'{"data":1,"more":2}',
        b'{"data":"%b"}' % (b"x" * LARGEST),
    ):
        assert (await stream.post(body)).status >= 400
    await stream.send("good")

    [result] = await stream.results(1)
    assert result["data"] == "good"


@each({"form": "application/x-www-form-urlencoded", "text": "text/plain", "other": "image/png"})
async def a_record_is_accepted_whatever_its_content_type(api: Api, content_type: str) -> None:
    """A JSON body is accepted whatever its Content-Type."""
    stream = await api.shared()

    assert (await stream.post(GOOD, content_type=content_type)).status == 202


async def a_send_to_an_unknown_stream_is_refused(api: Api) -> None:
    (await api.post(f"/stream/{UNKNOWN}/send", GOOD)).refused("unknown-stream")


async def a_send_to_an_ended_stream_is_refused(api: Api) -> None:
    stream = await api.start()
    await stream.end()

    (await stream.post(GOOD)).refused("stream-ended")


async def the_times_of_a_result_are_rfc_3339_and_in_order(api: Api) -> None:
    """Times are RFC 3339, UTC, milliseconds."""
    stream = await api.start()
    await stream.send(1)

    [result] = await stream.results(1)

    for name in ("sent_at", "processed_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", result[name])
    assert (await stream.look())["created_at"] <= result["sent_at"] <= result["processed_at"]


async def prefer_wait_answers_with_the_result_itself(api: Api) -> None:
    """`Prefer: wait=N`: 200 with the result object itself and `Preference-Applied: wait`."""
    stream = await api.start()

    answer = await stream.post(b'{"data":{"n":1.50}}', prefer="wait=20")

    result = answer.ok(200)
    assert answer.headers["preference-applied"] == "wait"
    assert [result] == await stream.results(1)
    assert b'{"n":1.50}' in answer.body


async def prefer_wait_also_answers_with_a_failed_result(api: Api) -> None:
    stream = await api.start(processor={"name": "reject", "when": "bad"})

    answer = await stream.post(b'{"data":{"bad":true}}', prefer="wait=20")

    assert answer.ok(200)["kind"] == "failed"
    assert answer.headers["preference-applied"] == "wait"


@each(
    {"26 s": "wait=26", "a day": "wait=86400", "with another preference": "respond-async, wait=9"}
)
async def a_longer_wait_is_capped_and_not_refused(api: Api, prefer: str) -> None:
    """capped at 25"""
    stream = await api.start()

    answer = await stream.post(GOOD, prefer=prefer)

    assert answer.ok(200)["kind"] == "result"


@each(
    {
        "no number": "wait=soon",
        "another preference": "return=minimal",
        "below 0": "wait=-1",
        "0": "wait=0",
        "empty": "",
        "nonsense": "=,;;",
    }
)
async def a_preference_nobody_knows_is_passed_over(api: Api, prefer: str) -> None:
    """RFC 7240, section 2: a preference that cannot be honoured is ignored."""
    stream = await api.shared()

    answer = await stream.post(GOOD, prefer=prefer)

    assert "record_id" in answer.ok(202)
    assert "preference-applied" not in answer.headers


async def a_waiting_send_is_refused_like_any_other(api: Api) -> None:
    stream = await api.shared()

    (await stream.post(b'{"data":NaN}', prefer="wait=5")).refused("invalid-body")


async def sends_that_wait_at_once_each_get_their_own_result(api: Api) -> None:
    stream = await api.start()
    bodies = [b'{"data":%d}' % number for number in range(8)]

    answers = await asyncio.gather(*(stream.post(body, prefer="wait=20") for body in bodies))

    assert [answer.ok(200)["data"] for answer in answers] == list(range(8))


@each(
    {
        "a good one": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "a bad one": "00-nonsense",
    }
)
async def a_traceparent_never_refuses_a_send(api: Api, traceparent: str) -> None:
    stream = await api.shared()

    assert (await stream.post(GOOD, traceparent=traceparent)).status == 202
