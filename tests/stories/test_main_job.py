"""Start a stream, send into it, watch its results: over every form, with one sequence."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.client import Client, frame

RECORDS: list[Any] = ["sample data", {"n": 1}, [1, 2.5, None], True, "ünï\u2028code", ""]


async def test_every_form_gives_the_same_results_in_the_order_they_were_sent(
    client: Client,
) -> None:
    stream = await client.start()
    receipts = [await client.send(stream, data) for data in RECORDS]

    page = await client.page(stream, wait=10, limit=len(RECORDS))
    while len(page["results"]) < len(RECORDS):
        page["results"] += (await client.page(stream, wait=10, cursor=page["cursor"]))["results"]
    from_sse = await sse_results(client, stream, len(RECORDS))
    from_lines = await line_results(client, stream, len(RECORDS))
    from_socket = await socket_results(client, stream, len(RECORDS))

    results = page["results"]
    assert [r["data"] for r in results] == RECORDS
    assert [r["source"] for r in results] == [r["record_id"] for r in receipts]
    assert {r["kind"] for r in results} == {"result"}
    assert {r["stream_id"] for r in results} == {stream}
    assert from_sse == results
    assert from_lines == results
    assert from_socket == results


async def sse_results(client: Client, stream: str, count: int) -> list[Any]:
    found: list[Any] = []
    async with asyncio.timeout(20), client.events(stream) as events:
        async for event in events:
            if event.data:
                result = json.loads(event.data)
                assert event.event == "message"
                assert event.id == result["id"]
                found.append(result)
            if len(found) == count:
                break
    return found


async def line_results(client: Client, stream: str, count: int) -> list[Any]:
    found: list[Any] = []
    async with asyncio.timeout(20), client.lines(stream) as lines:
        async for line in lines:
            if "control" not in line:
                found.append(line)
            if len(found) == count:
                break
    return found


async def socket_results(client: Client, stream: str, count: int) -> list[Any]:
    found: list[Any] = []
    async with asyncio.timeout(20), client.socket(stream) as socket:
        while len(found) < count:
            message = await frame(socket)
            if message.pop("type") == "result":
                found.append(message)
    return found


async def test_what_is_sent_while_a_reader_waits_arrives_at_once(client: Client) -> None:
    stream = await client.start(processor="uppercase")
    async with asyncio.timeout(20), client.events(stream) as events:
        opening = await anext(events)
        assert opening.id
        assert opening.retry is not None

        await client.send(stream, "sample data")

        assert json.loads((await anext(events)).data)["data"] == "SAMPLE DATA"


async def test_numbers_come_back_token_for_token(client: Client) -> None:
    stream = await client.start()
    data = '{"big": 9007199254740993, "exact": 1.0, "huge": 1e400, "small": -0.0}'

    await client.http.post(f"/stream/{stream}/send", content='{"data": ' + data + "}")
    answer = await client.http.get(
        f"/stream/{stream}/results?wait=10", headers={"accept": "application/json"}
    )

    assert data in answer.text


async def test_the_result_can_come_with_the_answer_to_the_send(client: Client) -> None:
    stream = await client.start(processor={"name": "jmespath", "expression": "user.name"})

    answer = await client.http.post(
        f"/stream/{stream}/send",
        json={"data": {"user": {"name": "Ada"}}},
        headers={"prefer": "wait=10"},
    )

    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait"
    assert answer.json()["data"] == "Ada"


async def test_an_ended_stream_tells_its_readers_and_takes_no_more(client: Client) -> None:
    stream = await client.start()
    await client.send(stream, 1)

    async with asyncio.timeout(20), client.events(stream) as events:
        assert (await client.http.post(f"/stream/{stream}/end")).status_code == 202
        seen = [event async for event in events if event.data]

    assert [event.event for event in seen] == ["message", "end"]
    late = await client.http.post(f"/stream/{stream}/send", json={"data": 2})
    assert (late.status_code, late.json()["code"]) == (409, "stream-ended")
    again = await client.http.get(
        f"/stream/{stream}/results",
        headers={"accept": "text/event-stream", "last-event-id": seen[-1].id},
    )
    assert again.status_code == 204
    page = await client.page(stream, cursor=seen[-1].id, wait=20)
    assert (page["results"], page["end"]) == ([], True)


async def test_a_rejected_record_is_a_failed_result_in_its_place(client: Client) -> None:
    stream = await client.start(processor={"name": "reject", "when": "bad"})
    for data in ({"bad": False}, {"bad": True}, {"bad": False}):
        await client.send(stream, data)

    results = (await client.page(stream, wait=10))["results"]
    while len(results) < 3:
        results += (await client.page(stream, wait=10, cursor=results[-1]["id"]))["results"]

    assert [r["kind"] for r in results] == ["result", "failed", "result"]
    assert results[1]["error"]["code"] == "processing-failed"
    assert "status" not in results[1]["error"]


async def test_one_socket_sends_and_reads(client: Client) -> None:
    stream = await client.start(processor="uppercase")
    async with asyncio.timeout(20), client.socket(stream) as socket:
        assert (await frame(socket))["type"] == "position"

        await socket.send(json.dumps({"type": "send", "data": "one", "ref": {"my": 1}}))
        await socket.send(json.dumps({"type": "send", "ref": 2}))
        await socket.send(json.dumps({"type": "send", "data": "two", "ref": 3}))
        frames = [await frame(socket) for _ in range(5)]

    receipts = [f for f in frames if f["type"] == "receipt"]
    assert [r["ref"] for r in receipts] == [{"my": 1}, 3]
    errors = [f for f in frames if f["type"] == "error"]
    assert [(e["ref"], e["problem"]["code"]) for e in errors] == [(2, "invalid-body")]
    results = [f for f in frames if f["type"] == "result"]
    assert [r["data"] for r in results] == ["ONE", "TWO"]
    assert [r["source"] for r in results] == [r["record_id"] for r in receipts]
