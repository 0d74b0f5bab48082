"""POST /stream/{id}/send with lines: read and answered at the same time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from functions.send.lines import WINDOW_BYTES, WINDOW_RECORDS
from functions.send.routes import MAX_FUNCTION_LINES
from streaming_runtime.core.sending import Sending
from streaming_runtime.http.bodies import MAX_LINE_BYTES
from tests.eventually import eventually
from tests.functions.api import KEY, Api, client_of
from tests.http.asgi import Conversation, scope_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
HEADERS = {"content-type": "application/x-ndjson; charset=utf-8", "x-api-key": KEY}


def conversation(api: Api, stream_id: str, window: int | None = None) -> Conversation:
    scope = scope_of("POST", f"/stream/{stream_id}/send", HEADERS)
    return Conversation(api.app, scope, window)


async def settled(figure: Callable[[], int]) -> int:
    """Return a figure once it has not moved for half a second: nothing announces a standstill."""
    async with asyncio.timeout(10):
        found, since = figure(), time.monotonic()
        while time.monotonic() < since + 0.5:
            await asyncio.sleep(0.02)
            if figure() != found:
                found, since = figure(), time.monotonic()
        return found


async def answers(api: Api, stream_id: str, body: bytes) -> list[dict[str, Any]]:
    answer = await api.client.post(f"/stream/{stream_id}/send", content=body, headers=HEADERS)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_each_line_is_answered_in_order_and_a_bad_one_stops_nothing(api: Api) -> None:
    stream_id = await api.start()
    body = (
        b'{"data":1}\r\n\n  \n{"dat":2}\n{"data":NaN}\n\xff\n{"data":"\\ud800"}\n'
        b'[{"data":6}]\n{"data": "last, without an end"}'
    )

    found = await answers(api, stream_id, body)

    assert [one.get("code") for one in found] == [None, *["invalid-body"] * 5, None]
    assert [one["data"] for one in await api.results(stream_id, 2)] == [1, "last, without an end"]


async def test_a_line_beyond_the_limit_is_passed_over(api: Api) -> None:
    stream_id = await api.start()
    longer = b'{"data":"' + b"x" * MAX_LINE_BYTES + b'"}'
    larger = b'{"data":"' + b"x" * (256 << 10) + b'"}'

    found = await answers(
        api, stream_id, b"\n".join([b'{"data":1}', longer, larger, b'{"data":4}'])
    )

    codes = [one.get("code") for one in found]
    assert codes == [None, "record-too-large", "record-too-large", None]
    assert [one["data"] for one in await api.results(stream_id, 2)] == [1, 4]


async def test_no_lines_have_no_answers(api: Api) -> None:
    assert await answers(api, await api.start(), b"\r\n\n") == []


async def test_more_lines_than_are_under_way_at_once_keep_their_order(api: Api) -> None:
    stream_id = await api.start()
    count = 3 * WINDOW_RECORDS

    found = await answers(api, stream_id, b"".join(b'{"data":%d}\n' % n for n in range(count)))

    offsets = [receipt["offset"] for receipt in found]
    assert len(offsets) == count
    assert offsets == sorted(offsets)


async def test_a_line_is_answered_before_the_next_is_sent(api: Api) -> None:
    stream_id = await api.start()

    async with conversation(api, stream_id) as talk:
        for number in range(3):
            talk.write(b'{"data":%d}\n' % number)
            receipts = await talk.lines(number + 1)
        talk.write(b"", is_last=True)
        await talk.end()

    assert talk.status == 200
    assert [json.loads(one)["stream_id"] for one in receipts] == [stream_id] * 3


async def test_a_line_may_come_in_pieces(api: Api) -> None:
    stream_id = await api.start()

    async with conversation(api, stream_id) as talk:
        for piece in (b'{"da', b'ta":', b'"x"}', b"\n"):
            talk.write(piece)
        receipt = json.loads((await talk.lines(1))[0])
        talk.write(b"", is_last=True)
        await talk.end()

    assert receipt["record_id"]


async def test_a_client_that_leaves_stops_the_reading_and_keeps_what_is_stored(api: Api) -> None:
    stream_id, refused_before = await api.start(), len(api.figures.codes)

    async with conversation(api, stream_id) as talk:
        talk.write(b'{"data":1}\n{"data":')
        await talk.lines(1)
        talk.leave()
        talk.write(b"2}\n", is_last=True)
        await talk.end()

        assert talk.unread == 1
    assert [one["data"] for one in await api.results(stream_id, 1)] == [1]
    assert api.figures.codes[refused_before:] == ["client-gone"]


async def test_a_client_that_does_not_read_is_not_read_from_for_ever(api: Api) -> None:
    stream_id = await api.start()
    piece = b'{"data":1}\n' * 100

    async with conversation(api, stream_id, window=0) as talk:
        for _ in range(100):
            talk.write(piece)
        unread = await settled(lambda: talk.unread)
        talk.write(b"", is_last=True)
        talk.read_on(10_000)
        await talk.end()

    # It holds what is under way, and the answers of one window more.
    assert unread >= 100 - 2 * WINDOW_RECORDS // 100 - 1
    assert talk.received.count(b"\n") == 10_000


async def test_large_lines_under_way_are_bounded_in_bytes(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = await api.start()
    line = b'{"data":"' + b"x" * (250 << 10) + b'"}\n'
    released, held = asyncio.Event(), []
    real = Sending.send_all

    async def send_all(self: Sending, stream: Any, values: Any, *more: Any) -> Any:
        held.append(sum(map(len, values)))
        await released.wait()
        return await real(self, stream, [b"1" for _ in values], *more)

    monkeypatch.setattr(Sending, "send_all", send_all)
    async with conversation(api, stream_id) as talk:
        for _ in range(100):
            talk.write(line)
        talk.write(b"", is_last=True)
        await eventually(lambda: sum(held) > WINDOW_BYTES // 2)
        under_way = await settled(lambda: sum(held))
        released.set()
        await talk.end()

    assert under_way <= WINDOW_BYTES
    assert talk.received.count(b"\n") == 100


async def test_lines_behind_the_end_of_their_stream_are_refused_one_by_one(api: Api) -> None:
    stream_id = await api.start()

    async with conversation(api, stream_id) as talk:
        talk.write(b'{"data":1}\n')
        await talk.lines(1)
        await api.client.post(f"/stream/{stream_id}/end")
        talk.write(b'{"data":2}\n', is_last=True)
        first, second = await talk.lines(2)
        await talk.end()

    assert "record_id" in json.loads(first)
    assert json.loads(second)["code"] == "stream-ended"


async def test_a_function_takes_lines_whole_and_not_more_than_it_can_answer(api: Api) -> None:
    stream_id = await api.start()
    path = f"/stream/{stream_id}/send"
    async with client_of(api.application(is_streaming=False)) as client:
        some = await client.post(path, content=b'{"data":1}\n{"dat":2}', headers=HEADERS)
        before = await api.stored()
        many = await client.post(
            path, content=b'{"data":1}\n' * (MAX_FUNCTION_LINES + 1), headers=HEADERS
        )

    assert [json.loads(one).get("code") for one in some.text.splitlines()] == [None, "invalid-body"]
    assert int(some.headers["content-length"]) == len(some.content)
    assert (many.status_code, many.json()["code"]) == (413, "batch-too-large")
    assert await api.stored() == before
