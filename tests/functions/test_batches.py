"""POST /stream/{id}/send with a JSON array."""

from __future__ import annotations

from typing import Any

import pytest

from streaming_runtime.core.errors import StreamEnded
from streaming_runtime.core.sending import Sending
from tests.functions.api import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_array_is_stored_and_answered_in_its_order(api: Api) -> None:
    stream_id = await api.start()

    answer = await api.client.post(
        f"/stream/{stream_id}/send", json=[{"data": number} for number in range(1_000)]
    )

    outcome = answer.json()
    offsets = [receipt["offset"] for receipt in outcome["records"]]
    assert (answer.status_code, outcome["accepted"], outcome["failed"]) == (207, 1_000, 0)
    assert offsets == sorted(offsets)
    page = await api.page(stream_id, wait=10, limit=1_000)
    assert [one["data"] for one in page["results"]] == list(range(len(page["results"])))


async def test_a_bad_record_gets_its_problem_and_the_rest_is_stored(api: Api) -> None:
    stream_id = await api.start()
    too_large = b'{"data":"' + b"x" * (256 << 10) + b'"}'
    array = b'\n [{"data":1},{"other":2},7,%b,{"data":5}]' % too_large

    answer = await api.client.post(f"/stream/{stream_id}/send", content=array)

    outcome = answer.json()
    assert (answer.status_code, outcome["accepted"], outcome["failed"]) == (207, 2, 3)
    assert [one.get("code") for one in outcome["records"]] == [
        None,
        "invalid-body",
        "invalid-body",
        "record-too-large",
        None,
    ]
    assert outcome["records"][1]["request_id"] == answer.headers["x-request-id"]
    assert [one["data"] for one in await api.results(stream_id, 2)] == [1, 5]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_an_array_is_one_whatever_its_type_says(api: Api, content_type: str) -> None:
    stream_id = await api.start()

    answer = await api.client.post(
        f"/stream/{stream_id}/send",
        content=b'[{"data":1}]',
        headers={"content-type": content_type},
    )

    assert (answer.status_code, answer.json()["accepted"]) == (207, 1)


async def test_a_stream_that_ends_meanwhile_refuses_the_records_behind(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = await api.start()
    real = Sending.send_all

    async def send_all(self: Sending, stream: Any, values: Any, *more: Any) -> Any:
        return [*await real(self, stream, values[:2], *more), StreamEnded(), StreamEnded()]

    monkeypatch.setattr(Sending, "send_all", send_all)
    answer = await api.client.post(
        f"/stream/{stream_id}/send", json=[{"data": number} for number in range(4)]
    )

    outcome = answer.json()
    assert (outcome["accepted"], outcome["failed"]) == (2, 2)
    assert [one.get("code") for one in outcome["records"]] == [None, None] + ["stream-ended"] * 2
