"""POST /stream/start."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.functions.api import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_start_answers_with_the_paths_to_go_on_at(api: Api) -> None:
    answer = await api.client.post("/stream/start")

    started = answer.json()
    stream_id = started["stream_id"]
    assert answer.status_code == 201
    assert started == {
        "stream_id": stream_id,
        "processor": "identity",
        "created_at": started["created_at"],
        "send_url": f"/stream/{stream_id}/send",
        "results_url": f"/stream/{stream_id}/results",
        "websocket_url": f"/stream/{stream_id}/results",
    }


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "text/plain"])
async def test_the_body_is_json_whatever_its_type_says(api: Api, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}

    answer = await api.client.post(
        "/stream/start", content=b'{"processor": "uppercase"}', headers=headers
    )

    assert answer.json()["processor"] == "uppercase"


async def test_what_a_stream_was_started_with_is_found_again(api: Api) -> None:
    asked: dict[str, Any] = {
        "processor": {"name": "jmespath", "expression": "order.total"},
        "label": "orders ✓",
        "ttl_seconds": 3_600,
    }

    stream_id = await api.start(**asked)

    found = (await api.client.get(f"/stream/{stream_id}")).json()
    assert {name: found[name] for name in asked} == asked
    assert found["ended_at"] is None


async def test_ids_are_random_and_safe_in_a_url(api: Api) -> None:
    ids = await asyncio.gather(*[api.start() for _ in range(20)])

    assert len(set(ids)) == 20
    assert all(len(one) == 22 and one.replace("-", "").replace("_", "").isalnum() for one in ids)


async def test_a_stream_ends_by_itself_after_its_time(api: Api) -> None:
    stream_id = await api.start(ttl_seconds=1)
    begun = time.monotonic()

    status = 202
    while status == 202 and time.monotonic() < begun + 5:
        answer = await api.client.post(f"/stream/{stream_id}/send", content=b'{"data":1}')
        status = answer.status_code
        await asyncio.sleep(0.05)

    assert (status, answer.json()["code"]) == (409, "stream-ended")
    assert 0.9 < time.monotonic() - begun < 3
    assert (await api.client.get(f"/stream/{stream_id}")).json()["ended_at"] is not None
