"""A stream with a time to live ends by itself, as if its owner had ended it."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta

from tests.client import Client, Json
from tests.eventually import until

SECONDS = 20.0


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_an_expired_stream_tells_its_readers_and_takes_no_more(client: Client) -> None:
    stream = await client.start(ttl_seconds=2)
    async with (
        asyncio.timeout(SECONDS),
        client.events(stream) as events,
        client.lines(stream) as lines,
        client.socket(stream) as socket,
    ):
        receipt = await client.send(stream, "in time")
        from_events = [event async for event in events if event.data]
        from_lines = [line async for line in lines if "control" not in line]
        from_socket = [json.loads(told) async for told in socket]

    assert [event.event for event in from_events] == ["message", "end"]
    seen: list[Json] = [event.json() for event in from_events]
    assert seen[0]["source"] == receipt["record_id"]
    assert seen[1]["kind"] == "end"
    assert from_lines == seen
    assert from_socket[1:] == [{"type": result["kind"], **result} for result in seen]
    assert socket.close_code == 1000
    await assert_ended(client, stream, 2)


async def test_an_expired_stream_ends_with_nobody_there(client: Client) -> None:
    stream = await client.start(ttl_seconds=1)

    async def late_send() -> tuple[int, str]:
        answer = await client.http.post(f"/stream/{stream}/send", json={"data": 1})
        return answer.status_code, answer.json().get("code", "")

    refused = await until(late_send, lambda answer: answer[0] != 202, SECONDS)
    page = await until(lambda: client.page(stream, limit=1_000), lambda p: bool(p["end"]), SECONDS)

    assert refused == (409, "stream-ended")
    assert [result["kind"] for result in page["results"]][-1] == "end"
    await assert_ended(client, stream, 1)


async def test_a_page_that_waits_gets_the_end(client: Client) -> None:
    stream = await client.start(ttl_seconds=1)

    async with asyncio.timeout(SECONDS):
        page = await client.page(stream, wait=15)

    assert [result["kind"] for result in page["results"]] == ["end"]
    assert page["end"] is True


async def assert_ended(client: Client, stream: str, ttl_seconds: int) -> None:
    found = (await client.http.get(f"/stream/{stream}")).json()
    late = await client.http.post(f"/stream/{stream}/send", json={"data": "late"})

    # It ended when it said it would, whenever somebody came to see to it.
    lived = moment(found["ended_at"]) - moment(found["created_at"])
    assert lived == timedelta(seconds=ttl_seconds)
    assert found["ttl_seconds"] == ttl_seconds
    assert (late.status_code, late.json()["code"]) == (409, "stream-ended")
    assert (await client.http.post(f"/stream/{stream}/end")).status_code == 202
    assert (await client.http.get(f"/stream/{stream}")).json() == found
