"""POST /stream/{id}/send with application/x-ndjson."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..case import each
from ..client.answer import Answer, check_problem
from ..client.api import NDJSON, UNKNOWN, Api
from ..client.stream import Stream
from ..client.strict_json import Json, parse_object
from ..client.wire import Wire, request

LARGEST = 256 << 10
GOOD = b'{"data":1}'


async def _send(stream: Stream, body: bytes, content_type: str = NDJSON) -> list[Json]:
    return (await stream.post(body, content_type=content_type)).lines()


class _Conversation:
    """Lines that are written and answered in turns on one request."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._rest = b""

    async def say(self, line: bytes) -> None:
        await self._wire.say(b"%x\r\n%b\r\n" % (len(line), line))

    async def close(self) -> None:
        await self._wire.say(b"0\r\n\r\n")

    async def head(self) -> Answer:
        return await self._wire.hear_head()

    async def answer(self) -> Json:
        """Return the next line."""
        while b"\n" not in self._rest:
            chunk = await self._wire.hear_chunk()
            assert chunk, "the answer ended where a line was expected"
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return parse_object(line)

    async def is_over(self) -> bool:
        return self._rest == b"" and await self._wire.hear_chunk() == b""


@asynccontextmanager
async def _conversation(stream: Stream) -> AsyncIterator[_Conversation]:
    fields = {**stream.api.credential, "Content-Type": NDJSON, "Transfer-Encoding": "chunked"}
    async with stream.api.wire() as wire:
        await wire.say(request("POST", f"{stream.path}/send", fields))
        yield _Conversation(wire)


async def each_line_is_answered_by_a_receipt_in_order(api: Api) -> None:
    stream = await api.start()

    receipts = await _send(stream, b"".join(b'{"data":%d}\n' % number for number in range(20)))

    assert [receipt["stream_id"] for receipt in receipts] == [stream.id] * 20
    results = await stream.results(20)
    assert [result["source"] for result in results] == [r["record_id"] for r in receipts]
    assert [result["data"] for result in results] == list(range(20))


async def a_receipt_of_a_line_is_that_of_a_record(api: Api) -> None:
    [receipt] = await _send(await api.shared(), GOOD)

    assert receipt.keys() == {"stream_id", "record_id", "partition", "offset"}
    assert receipt["record_id"] == f"{receipt['partition']}-{receipt['offset']}"


@each(
    {
        "with a parameter": "application/x-ndjson; charset=utf-8",
        "in capitals": "Application/X-NDJSON",
    }
)
async def lines_are_told_by_their_content_type(api: Api, content_type: str) -> None:
    assert len(await _send(await api.shared(), GOOD + b"\n" + GOOD, content_type)) == 2


async def no_other_content_type_selects_lines(api: Api) -> None:
    """only `application/x-ndjson` selects another reading."""
    stream = await api.start()

    answer = await stream.post(GOOD + b"\n" + GOOD, content_type="application/jsonl")

    answer.refused("invalid-body")


async def the_last_line_needs_no_end(api: Api) -> None:
    assert len(await _send(await api.shared(), GOOD + b"\n" + GOOD)) == 2


async def lines_may_end_with_cr_and_lf(api: Api) -> None:
    receipts = await _send(await api.shared(), (GOOD + b"\r\n") * 3)

    assert all("record_id" in receipt for receipt in receipts)
    assert len(receipts) == 3


@each(
    {
        "no JSON": (b"nonsense", "invalid-body"),
        "half an object": (b'{"data":', "invalid-body"),
        "no data": (b"{}", "invalid-body"),
        "an unknown field": (b'{"data":1,"more":2}', "invalid-body"),
        "an array": (b"[" + GOOD + b"]", "invalid-body"),
        "two objects": (GOOD + GOOD, "invalid-body"),
        "bad UTF-8": (b'{"data":"\xff"}', "invalid-body"),
        "NaN": (b'{"data":NaN}', "invalid-body"),
        "a lone surrogate": (b'{"data":"\\ud800"}', "invalid-body"),
        "101 levels": (b'{"data":' + b"[" * 101 + b"]" * 101 + b"}", "invalid-body"),
        "too large": (b'{"data":"%b"}' % (b"x" * LARGEST), "record-too-large"),
        "2 MB": (b'{"data":"%b"}' % (b"x" * 2_000_000), "record-too-large"),
    }
)
async def a_bad_line_gets_a_problem_and_the_rest_goes_on(api: Api, line: bytes, code: str) -> None:
    stream = await api.start()

    first, bad, last = await _send(stream, b"\n".join((GOOD, line, b'{"data":2}')))

    assert "record_id" in first
    assert "record_id" in last
    check_problem(bad, code)
    assert [result["data"] for result in await stream.results(2)] == [1, 2]


async def lines_are_answered_while_others_still_come(api: Api) -> None:
    """read and answered as a stream in the container, to any length."""
    stream = await api.start()
    async with _conversation(stream) as talk:
        await talk.say(GOOD + b"\n")
        assert (await talk.head()).status == 200
        first = await talk.answer()
        [result] = await stream.results(1)
        await talk.say(b'{"data":2}\n')
        second = await talk.answer()
        await talk.close()

        assert result["source"] == first["record_id"]
        assert second["offset"] > first["offset"]
        assert await talk.is_over()


async def a_line_may_come_in_pieces(api: Api) -> None:
    stream = await api.start()
    async with _conversation(stream) as talk:
        for byte in b'{"data":"piece by piece"}\n':
            await talk.say(bytes([byte]))
        await talk.head()

        assert "record_id" in await talk.answer()
    [result] = await stream.results(1)
    assert result["data"] == "piece by piece"


async def a_body_of_lines_may_be_longer_than_an_array(api: Api) -> None:
    stream = await api.start()
    numbers = range(3_000)

    receipts = await _send(stream, b"".join(b'{"data":%d}\n' % number for number in numbers))

    assert all("record_id" in receipt for receipt in receipts)
    assert [result["data"] for result in await stream.results(3_000, limit=1_000)] == list(numbers)


async def a_body_of_lines_may_have_more_than_1_mib(api: Api) -> None:
    line = json.dumps({"data": "x" * 250_000}).encode()

    receipts = await _send(await api.shared(), b"\n".join([line] * 8))

    assert ["record_id" in receipt for receipt in receipts] == [True] * 8


async def lines_behind_the_end_are_each_refused(api: Api) -> None:
    stream = await api.start()
    async with _conversation(stream) as talk:
        await talk.say(GOOD + b"\n")
        await talk.head()
        await talk.answer()
        await stream.end()
        await talk.say(GOOD + b"\n")

        check_problem(await talk.answer(), "stream-ended")


async def lines_to_an_unknown_stream_are_refused(api: Api) -> None:
    answer = await api.post(f"/stream/{UNKNOWN}/send", GOOD, content_type=NDJSON)

    answer.refused("unknown-stream")


async def lines_to_an_ended_stream_are_refused(api: Api) -> None:
    stream = await api.start()
    await stream.end()

    (await stream.post(GOOD, content_type=NDJSON)).refused("stream-ended")


async def what_was_answered_of_a_body_that_breaks_off_is_stored(api: Api) -> None:
    stream = await api.start()
    async with _conversation(stream) as talk:
        await talk.say(GOOD + b'\n{"data":"never whole')
        await talk.head()
        receipt = await talk.answer()

    await stream.send("behind it")
    results = await stream.results(2)
    assert [result["data"] for result in results] == [1, "behind it"]
    assert results[0]["source"] == receipt["record_id"]


async def the_data_of_a_line_is_passed_on_token_for_token(api: Api) -> None:
    stream = await api.start()

    await _send(stream, b'{"data":9007199254740993}\n{"data":"\\u20ac"}\n')

    await stream.results(2)
    body = (await stream.ask_page()).body
    assert b'"data":9007199254740993' in body
    assert b'"data":"\\u20ac"' in body
