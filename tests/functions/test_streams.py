"""GET /stream/{id}, GET /streams and POST /stream/{id}/end."""

from __future__ import annotations

import asyncio

import pytest

from tests.functions.api import OTHER_KEY, Api, client_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_stream_shows_what_it_is(api: Api) -> None:
    stream_id = await api.start(processor="uppercase", label="orders")

    found = (await api.client.get(f"/stream/{stream_id}")).json()

    assert found == {
        "stream_id": stream_id,
        "processor": "uppercase",
        "label": "orders",
        "created_at": found["created_at"],
        "ttl_seconds": None,
        "ended_at": None,
    }


async def test_pages_of_streams_hold_the_callers_own_by_their_start(api: Api) -> None:
    mine = [await api.start(label=f"page {number}") for number in range(5)]
    async with client_of(api.app, OTHER_KEY) as theirs:
        foreign = (await theirs.post("/stream/start")).json()["stream_id"]

    found: list[str] = []
    query: dict[str, str | int] = {"limit": 2}
    while True:
        page = (await api.client.get("/streams", params=query)).json()
        assert len(page["streams"]) <= 2
        found += [one["stream_id"] for one in page["streams"]]
        if page["after"] is None:
            break
        query["after"] = page["after"]

    assert [one for one in found if one in mine] == mine
    assert len(set(found)) == len(found)
    assert foreign not in found


async def test_an_end_is_told_to_readers_and_refuses_sends(api: Api) -> None:
    stream_id = await api.start()
    await api.send(stream_id, "last")

    ended = await api.client.post(f"/stream/{stream_id}/end")
    refused = await api.client.post(f"/stream/{stream_id}/send", content=b'{"data":1}')

    results = await api.results(stream_id, 2)
    assert ended.status_code == 202
    assert ended.json()["ended_at"] is not None
    assert (refused.status_code, refused.json()["code"]) == (409, "stream-ended")
    assert [one["kind"] for one in results] == ["result", "end"]


async def test_ending_again_is_no_error_and_ends_once(api: Api) -> None:
    stream_id = await api.start()

    answers = [
        *await asyncio.gather(*[api.client.post(f"/stream/{stream_id}/end") for _ in range(2)]),
        await api.client.post(f"/stream/{stream_id}/end", content=b"{}"),
    ]

    assert [one.status_code for one in answers] == [202] * 3
    assert len({one.json()["ended_at"] for one in answers}) == 1
    (end,) = await api.results(stream_id, 1)
    behind = await api.page(stream_id, cursor=end["id"], wait=0)
    assert (behind["results"], behind["end"]) == ([], True)
