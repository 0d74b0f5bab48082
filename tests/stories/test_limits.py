"""What a tenant may do, and how it is told: in a way that every kind of client survives."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.client import Client, Json, frame
from tests.product import Process, product
from tests.stories.event_bytes import EventBytes

pytestmark = pytest.mark.asyncio(loop_scope="module")

# So few that a busy machine's pauses refill next to nothing.
PER_SECOND = 2
BURST = 12
READERS = 3
# Each story spends the budget of tenants of its own.
KEYS = [f"limits-key-{number:02d}-0123456789" for number in range(30)]
STATE = re.compile(r'"requests";r=(\d+);t=(\d+)')


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def limited(broker: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    """Give a server with small limits and many tenants; nothing here needs processing."""
    environ = {
        "API_KEYS": ",".join(f"tenant-{key[11:13]}:{key}" for key in KEYS),
        "RATE_LIMIT_PER_SECOND": str(PER_SECOND),
        "RATE_LIMIT_BURST": str(BURST),
        "RATE_LIMIT_READERS": str(READERS),
    }
    directory: Path = tmp_path_factory.mktemp("limits")
    async with product(broker, directory, environ) as made:
        api = made.api()
        await api.start()
        yield api


@pytest.fixture(scope="module")
def unused() -> Iterator[str]:
    return iter(KEYS)


@pytest.fixture
async def client(limited: Process, unused: Iterator[str]) -> AsyncIterator[Client]:
    async with Client(limited.url, next(unused)) as made:
        yield made


@pytest.fixture
async def neighbour(limited: Process, unused: Iterator[str]) -> AsyncIterator[Client]:
    """Another tenant of the same server."""
    async with Client(limited.url, next(unused)) as made:
        yield made


async def look(client: Client) -> httpx.Response:
    return await client.http.get("/streams")


async def use_up(client: Client) -> httpx.Response:
    """Ask until refused, and return the refusal."""
    async with asyncio.timeout(20):
        while (answer := (await asyncio.gather(*[look(client) for _ in range(8)]))[-1]).is_success:
            pass
    return answer


async def refusal(client: Client, path: str, accept: str) -> tuple[httpx.Response, bytes]:
    """Ask for results with nothing left; return the answer and its first bytes."""
    async with asyncio.timeout(20):
        while True:
            await use_up(client)
            async with client.http.stream("GET", path, headers={"accept": accept}) as answer:
                first = await anext(answer.aiter_raw(), b"")
            # A slow machine may have given the time in which one more is let in.
            if b"rate-limited" in first:
                return answer, first


async def test_a_refusal_says_when_to_come_back_and_that_moment_holds(client: Client) -> None:
    refused = await use_up(client)

    assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
    assert refused.json()["retriable"] is True
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["ratelimit-policy"] == f'"requests";q={BURST + PER_SECOND};w=1'
    assert STATE.fullmatch(refused.headers["ratelimit"])
    seconds = refused.headers["retry-after"]
    assert re.fullmatch(r"[1-9]\d*", seconds)
    await asyncio.sleep(int(seconds))
    assert (await look(client)).status_code == 200


async def test_every_answer_tells_what_is_left(client: Client) -> None:
    first, second = await look(client), await look(client)

    states = [STATE.fullmatch(answer.headers["ratelimit"]) for answer in (first, second)]
    left = [int(state[1]) for state in states if state is not None]
    assert left[0] == BURST - 1
    assert left[0] - 1 <= left[1] <= left[0]


async def test_never_more_than_limit_and_burst_are_admitted_within_any_window(
    client: Client,
) -> None:
    admitted: list[tuple[float, float]] = []
    ends = time.monotonic() + 2.5

    async def hammer() -> None:
        while (begun := time.monotonic()) < ends:
            # Headers of a proxy, true or false, move no limit.
            answer = await client.http.get("/streams", headers={"x-forwarded-for": f"{begun}"})
            if answer.is_success:
                admitted.append((begun, time.monotonic()))
            else:
                assert answer.status_code == 429

    await asyncio.gather(*[hammer() for _ in range(8)])

    for begun, _ in admitted:
        for window in (0.5, 1.0, 2.0):
            # A request is admitted somewhere between its sending and its answer.
            inside = [1 for sent, heard in admitted if sent >= begun and heard <= begun + window]
            assert len(inside) <= BURST + PER_SECOND * window
    assert len(admitted) >= BURST + PER_SECOND * 1.5


async def test_one_tenant_at_its_limit_does_not_touch_another(
    client: Client, neighbour: Client
) -> None:
    await use_up(client)

    answers = [await look(neighbour) for _ in range(BURST)]

    assert {answer.status_code for answer in answers} == {200}
    first = STATE.fullmatch(answers[0].headers["ratelimit"])
    assert first is not None and int(first[1]) == BURST - 1


async def test_an_event_source_that_is_refused_comes_back(client: Client) -> None:
    stream = await client.start()
    path = f"/stream/{stream}/results"

    refused, told = await refusal(client, path, "text/event-stream")
    strict, _ = await refusal(client, f"{path}?strict=1", "text/event-stream")
    page, _ = await refusal(client, path, "application/json")

    [event] = EventBytes().feed(told)
    assert refused.status_code == 200
    assert refused.headers["content-type"] == "text/event-stream"
    assert event.name == "error"
    assert event.json()["code"] == "rate-limited"
    assert event.retry is not None and event.retry >= 1_000
    assert "retry-after" not in refused.headers
    assert (strict.status_code, page.status_code) == (429, 429)
    assert int(strict.headers["retry-after"]) >= 1
    # After the time it is told to wait, a browser's next try is let in.
    await use_up(client)
    await asyncio.sleep(event.retry / 1_000)
    async with asyncio.timeout(10), client.events(stream) as events:
        assert (await anext(events)).id


async def test_a_socket_that_is_refused_is_closed_with_a_code_that_says_come_back(
    client: Client,
) -> None:
    stream = await client.start()
    told: Json = {"type": "position"}
    async with asyncio.timeout(20):
        while told["type"] == "position":
            await use_up(client)
            async with client.socket(stream) as socket:
                told = await frame(socket)
                if told["type"] == "error":
                    await socket.wait_closed()

    assert told["type"] == "error"
    assert told["problem"]["code"] == "rate-limited"
    assert told["problem"]["retry_after_seconds"] >= 1
    assert socket.close_code == 4429


async def test_sends_on_a_socket_count_and_a_refused_one_leaves_it_open(client: Client) -> None:
    stream = await client.start()
    async with asyncio.timeout(20), client.socket(stream) as socket:
        assert (await frame(socket))["type"] == "position"
        for number in range(3 * BURST):
            await socket.send(json.dumps({"type": "send", "data": number, "ref": number}))
        answers = [await frame(socket) for _ in range(3 * BURST)]
        refused = [answer for answer in answers if answer["type"] == "error"]

        await asyncio.sleep(refused[-1]["problem"]["retry_after_seconds"])
        await socket.send(json.dumps({"type": "send", "data": "later", "ref": "later"}))
        later = await frame(socket)

    assert [answer["ref"] for answer in answers] == list(range(3 * BURST))
    assert {answer["type"] for answer in answers} == {"receipt", "error"}
    assert {answer["problem"]["code"] for answer in refused} == {"rate-limited"}
    assert (later["type"], later["ref"]) == ("receipt", "later")


async def test_open_readers_are_limited_and_one_that_leaves_makes_room(
    client: Client, neighbour: Client
) -> None:
    stream, foreign = await client.start(), await neighbour.start()
    path = f"/stream/{stream}/results"
    async with (
        asyncio.timeout(30),
        client.events(stream) as first,
        client.lines(stream) as second,
    ):
        await anext(first), await anext(second)
        async with client.socket(stream) as third:
            await frame(third)

            told = await client.http.get(path, headers={"accept": "text/event-stream"})
            strict = await client.http.get(path, params={"strict": "1"}, headers={"accept": "*/*"})
            async with client.socket(stream) as fourth:
                closing = await frame(fourth)
                await fourth.wait_closed()
            async with neighbour.events(foreign) as others:
                assert (await anext(others)).id
            # A page is no reader that stays.
            assert (await client.page(stream))["results"] == []

        [event] = EventBytes().feed(told.content)
        assert (event.name, event.json()["code"]) == ("error", "rate-limited")
        assert (strict.status_code, strict.headers["retry-after"]) == (429, "5")
        assert (closing["problem"]["code"], fourth.close_code) == ("rate-limited", 4429)
        await opens(client, stream)


async def opens(client: Client, stream: str) -> None:
    """Wait until a place is free: the server learns of a closed socket a moment later."""
    for _ in count():
        async with client.socket(stream) as socket:
            if (await frame(socket))["type"] == "position":
                return
        await asyncio.sleep(0.3)
