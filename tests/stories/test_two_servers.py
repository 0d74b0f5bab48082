"""Any replica serves any client: nothing that a client depends on lives in one process."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator

import pytest

from tests.client import Client, Json, frame
from tests.product import Process
from tests.stories.readers import Reader

RETRY = re.compile(rb'(?:retry: |"retry_ms":)\d+')


@pytest.fixture
async def other(second: Process) -> AsyncIterator[Client]:
    """A client of the second server; ``client`` is one of the first."""
    async with Client(second.url) as made:
        yield made


async def results_of(client: Client, stream: str, count: int) -> list[Json]:
    """Return the first results, by pages."""
    reader = Reader(client, stream)
    async with asyncio.timeout(20):
        while len(reader.results) < count:
            await reader.page()
    return reader.results


async def test_a_stream_started_on_one_server_is_sent_to_on_the_other_and_read_on_both(
    client: Client, other: Client
) -> None:
    stream = await client.start(processor="uppercase")
    async with (
        asyncio.timeout(20),
        client.events(stream) as here,
        other.events(stream) as there,
        client.socket(stream) as socket,
    ):
        openings = [await anext(here), await anext(there)]
        assert (await frame(socket))["type"] == "position"
        for sender, data in ((other, "one"), (client, "two"), (other, "three")):
            await sender.send(stream, data)
        seen = [[(await anext(events)).json() for _ in range(3)] for events in (here, there)]
        framed = [await frame(socket) for _ in range(3)]

    assert [result["data"] for result in seen[0]] == ["ONE", "TWO", "THREE"]
    assert seen[1] == seen[0]
    assert [{"type": "result", **result} for result in seen[0]] == framed
    assert openings[0].id == openings[1].id


async def test_a_reader_changes_servers_with_its_cursor(client: Client, other: Client) -> None:
    stream = await client.start()
    for number in range(24):
        await client.send(stream, number)
    expected = await results_of(client, stream, 24)
    here, there = Reader(client, stream), Reader(other, stream)

    async with asyncio.timeout(30):
        for form in ("sse", "lines", "socket", "page") * 3:
            await here.over(form, most=1)
            there.cursor = here.cursor
            await there.over(form, most=1)
            here.cursor = there.cursor
            here.results += there.results
            there.results = []

    assert here.results == expected


async def test_a_stream_ended_on_one_server_is_refused_at_once_on_the_other(
    client: Client, other: Client
) -> None:
    for ending, sending in ((client, other), (other, client)):
        stream = await ending.start()
        await sending.send(stream, "in time")
        async with asyncio.timeout(20), sending.events(stream) as events:
            assert (await ending.http.post(f"/stream/{stream}/end")).status_code == 202

            late = await sending.http.post(f"/stream/{stream}/send", json={"data": "late"})
            seen = [event.event async for event in events if event.data]

        assert (late.status_code, late.json()["code"]) == (409, "stream-ended")
        assert seen == ["message", "end"]
        again = await sending.http.post(f"/stream/{stream}/end")
        assert again.status_code == 202
        looks = [(await c.http.get(f"/stream/{stream}")).json() for c in (ending, sending)]
        assert looks[0] == looks[1] == again.json()


async def test_sends_on_both_while_one_ends_are_either_read_or_refused(
    client: Client, other: Client
) -> None:
    stream = await client.start()
    accepted: list[str] = []

    async def send_until_ended(sender: Client) -> None:
        while True:
            answer = await sender.http.post(f"/stream/{stream}/send", json={"data": 1})
            if answer.status_code == 409:
                return
            assert answer.status_code == 202, answer.text
            accepted.append(answer.json()["record_id"])

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        for sender in (client, other) * 3:
            tasks.create_task(send_until_ended(sender))
        while len(accepted) < 30:
            await asyncio.sleep(0.01)
        tasks.create_task(client.http.post(f"/stream/{stream}/end"))
    reader = Reader(other, stream)
    async with asyncio.timeout(20):
        is_over = await reader.sse()

    assert is_over
    assert reader.results[-1]["kind"] == "end"
    # Every receipt has its result before the end: a 202 is never followed by nothing.
    assert {result["source"] for result in reader.results[:-1]} == set(accepted)


async def test_lists_and_looks_show_what_the_other_started_at_once(
    client: Client, other: Client
) -> None:
    for starter, looker in ((client, other), (other, client)):
        stream = await starter.start(label="on the other side", ttl_seconds=3_600)

        look = await looker.http.get(f"/stream/{stream}")
        pages: list[Json] = []
        after = None
        while not pages or after:
            query = {"limit": 50} | ({"after": after} if after else {})
            pages.append((await looker.http.get("/streams", params=query)).json())
            after = pages[-1]["after"]

        assert look.json()["label"] == "on the other side"
        listed = [entry for page in pages for entry in page["streams"]]
        assert look.json() in listed
        assert [e["created_at"] for e in listed] == sorted(e["created_at"] for e in listed)


async def test_the_same_get_gives_the_same_bytes_on_both(client: Client, other: Client) -> None:
    stream = await client.start(processor={"name": "reject", "when": "bad"}, label="ünïcode")
    records: list[object] = [{"bad": True}, 9007199254740993, "\u2028", {"deep": [[{}]]}]
    for data in records:
        await client.send(stream, data)
    middle = (await results_of(client, stream, 4))[1]["id"]
    results = f"/stream/{stream}/results"

    for path, accept in (
        (f"/stream/{stream}", "*/*"),
        ("/streams?limit=3", "*/*"),
        (results, "application/json"),
        (f"{results}?limit=2", "application/json"),
        (f"{results}?cursor={middle}", "application/json"),
        (f"{results}?limit=4", "text/event-stream"),
        (f"{results}?limit=2&cursor={middle}", "text/event-stream"),
        (f"{results}?limit=4", "application/x-ndjson"),
        (f"{results}?cursor=bad", "application/json"),
        ("/schema", "*/*"),
        ("/asyncapi", "*/*"),
        ("/", "text/html"),
    ):
        answers = [await c.http.get(path, headers={"accept": accept}) for c in (client, other)]
        bodies = [comparable(answer.content) for answer in answers]

        assert answers[0].status_code == answers[1].status_code, path
        assert bodies[0] == bodies[1], path


def comparable(body: bytes) -> bytes:
    """Leave out what is each answer's own: its jitter and its request id."""
    body = RETRY.sub(b"retry", body)
    if b'"request_id"' in body[-200:]:
        problem = json.loads(body)
        del problem["request_id"]
        return json.dumps(problem).encode()
    return body
