"""Prefer: wait: the result as the answer to the send."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from functions.send.waiting import wait_preference
from tests.functions.api import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "prefer, seconds",
    [
        ("wait=5", 5),
        ("Wait = 5", 5),
        ('wait="5"', 5),
        ("respond-async, wait=7", 7),
        ("wait=7, respond-async", 7),
        ("wait=7; foo=bar", 7),
        ("wait=3, wait=9", 3),
        ("wait=25", 25),
        ("wait=26", 25),
        ("wait=999999999", 25),
        ("wait=0", 0),
        ("", 0),
        ("wait", 0),
        ("wait=", 0),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("wait=x", 0),
        ("await=5", 0),
        ("respond-async; wait=5", 0),
        ("wait=٣", 0),
        ("wait=" + "9" * 5_000, 0),
    ],
)
async def test_a_preference_is_read_or_passed_over(prefer: str, seconds: int) -> None:
    assert wait_preference(prefer) == seconds


async def send(api: Api, stream_id: str, seconds: int, data: bytes = b'"x"') -> httpx.Response:
    return await api.client.post(
        f"/stream/{stream_id}/send",
        content=b'{"data":%b}' % data,
        headers={"prefer": f"wait={seconds}"},
    )


async def test_the_result_is_the_answer_when_it_comes_in_time(api: Api) -> None:
    stream_id = await api.start(processor="uppercase")
    await api.send(stream_id, "before")

    answer = await send(api, stream_id, 10)

    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait")
    assert answer.json() == (await api.results(stream_id, 2))[1]
    assert answer.json()["data"] == "X"


async def test_a_failed_result_is_a_200_too(api: Api) -> None:
    stream_id = await api.start(processor={"name": "reject", "when": "`true`"})

    answer = await send(api, stream_id, 10)

    assert (answer.status_code, answer.json()["kind"]) == (200, "failed")
    assert answer.json()["error"]["code"] == "processing-failed"


async def test_a_result_that_does_not_come_in_time_leaves_the_receipt(api: Api) -> None:
    stream_id = await api.start()
    api.engine.hold()
    try:
        begun = time.monotonic()
        answer = await send(api, stream_id, 1)
        took = time.monotonic() - begun
    finally:
        api.engine.release()

    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers
    assert 0.9 < took < 3
    (result,) = await api.results(stream_id, 1)
    assert result["source"] == answer.json()["record_id"]


async def test_who_waits_together_gets_each_its_own(api: Api) -> None:
    stream_id = await api.start()

    answers = await asyncio.gather(*[send(api, stream_id, 10, b"%d" % n) for n in range(4)])

    assert [answer.json().get("data") for answer in answers] == [0, 1, 2, 3]


async def test_a_reading_that_fails_does_not_unsay_the_send(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streaming_runtime.core.errors import BrokerUnavailable

    def refuse(*_: object) -> None:
        raise BrokerUnavailable

    stream_id = await api.start()
    monkeypatch.setattr(api.log, "follow", refuse)
    answer = await send(api, stream_id, 5)
    monkeypatch.undo()

    assert answer.status_code == 202
    (result,) = await api.results(stream_id, 1)
    assert result["source"] == answer.json()["record_id"]
