"""The end of a ticket: told before, then the reader is closed at a position that it knows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.client import Client, Json
from tests.core.event_stream import read

SSE, NDJSON = "text/event-stream", "application/x-ndjson"
EXPIRING = "credential-expiring"
MOST_WHILE_SENDING = 2


async def ticket_of(client: Client, stream: str, seconds: int) -> str:
    body = {"use": "eventsource", "ttl_seconds": seconds}
    answer = await client.http.post(f"/stream/{stream}/ticket", json=body)
    assert (answer.status_code, answer.json()["expires_in"]) == (201, seconds)
    return str(answer.json()["ticket"])


@pytest.fixture
async def anonymous(client: Client) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=client.url, trust_env=False, timeout=20) as http:
        yield http


async def until_closed(http: httpx.AsyncClient, stream: str, accept: str, ticket: str) -> bytes:
    """Read a whole answer, which ends with its ticket."""
    answer = await http.get(
        f"/stream/{stream}/results", params={"ticket": ticket}, headers={"accept": accept}
    )
    assert answer.status_code == 200
    return answer.content


async def test_a_page_opens_the_next_ticket_at_its_cursor_and_misses_nothing(
    client: Client, anonymous: httpx.AsyncClient
) -> None:
    stream = await client.start()
    sent: list[int] = []
    is_over = asyncio.Event()

    async def send_on() -> None:
        while not is_over.is_set():
            await client.send(stream, len(sent))
            sent.append(len(sent))

    sending = asyncio.ensure_future(send_on())
    got: list[int] = []
    cursor, tickets = "", 0
    async with asyncio.timeout(40):
        while not is_over.is_set() or len(got) < len(sent):
            ticket = await ticket_of(client, stream, 1)
            if tickets == MOST_WHILE_SENDING:
                is_over.set()
                await sending
            tickets += 1
            query = {"ticket": ticket} | ({"cursor": cursor} if cursor else {})
            answer = await anonymous.get(
                f"/stream/{stream}/results", params=query, headers={"accept": SSE}
            )
            told = read(answer.content)
            assert [e.name for e in told.events].count(EXPIRING) == 1
            got += [json.loads(e.data)["data"] for e in told.events if e.name != EXPIRING]
            cursor = told.last_event_id

    assert len(sent) > 10
    assert got == sent


async def test_lines_tell_of_the_end_and_then_of_the_position(
    client: Client, anonymous: httpx.AsyncClient
) -> None:
    stream = await client.start()
    receipt = await client.send(stream, "one")
    ticket = await ticket_of(client, stream, 2)

    body = await until_closed(anonymous, stream, NDJSON, ticket)

    lines: list[Json] = [json.loads(line) for line in body.splitlines() if line]
    told = next(line for line in lines if line.get("control") == EXPIRING)
    assert told == {"control": EXPIRING, "expires_in": told["expires_in"]}
    assert 0 <= told["expires_in"] <= 2
    assert [line["source"] for line in lines if "source" in line] == [receipt["record_id"]]
    assert lines[-1]["control"] == "position"
    rest = await client.page(stream, cursor=lines[-1]["cursor"])
    assert rest["results"] == []


async def test_a_ticket_that_is_over_is_refused_so_that_an_event_source_stops(
    client: Client, anonymous: httpx.AsyncClient
) -> None:
    stream = await client.start()
    ticket = await ticket_of(client, stream, 1)
    await until_closed(anonymous, stream, SSE, ticket)

    for accept in (SSE, NDJSON, "application/json"):
        again = await anonymous.get(
            f"/stream/{stream}/results", params={"ticket": ticket}, headers={"accept": accept}
        )

        assert (again.status_code, again.json()["code"]) == (401, "unauthorized")
        assert "www-authenticate" in again.headers
