"""Functions frozen between calls, and what Lambda does to them: nothing is lost or repeated."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.client import Client
from tests.console.chromium import browser, executable
from tests.emulator.emulated import Emulated, emulated, is_frozen

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

# A function that waits for a dead connection answers within this, after a freeze too.
ANSWER_SECONDS = 6.0
DONE = (202, 200)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(broker: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Emulated]:
    """Give an emulator whose results come from the function, in finite answers."""
    data = tmp_path_factory.mktemp("lambda")
    async with emulated(broker, data, "--results", "function") as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def client(running: Emulated) -> AsyncIterator[Client]:
    await running.disarm()
    async with running.client() as made:
        yield made


async def insist(client: Client, stream: str, data: object, key: str) -> list[int]:
    """Send with one key until it is stored, as a good client does, and return each status."""
    statuses: list[int] = []
    headers = {"idempotency-key": key}
    deadline = time.monotonic() + 40
    while not statuses or statuses[-1] not in DONE:
        assert time.monotonic() < deadline, statuses
        answer = await client.http.post(
            f"/stream/{stream}/send", json={"data": data}, headers=headers
        )
        statuses.append(answer.status_code)
        assert answer.status_code in DONE or answer.json()["retriable"], answer.text
        if answer.status_code not in DONE:
            await asyncio.sleep(0.2)
    return statuses


async def all_results(client: Client, stream: str, count: int) -> list[object]:
    """Read pages, each at the last one's cursor, until ``count`` results are there and no more."""
    found: list[object] = []
    cursor: dict[str, str] = {}
    async with asyncio.timeout(40):
        while True:
            wait = "1" if len(found) >= count else "5"
            answer = await client.http.get(
                f"/stream/{stream}/results",
                params={"wait": wait, "limit": "4", **cursor},
                headers={"accept": "application/json"},
            )
            if answer.status_code != 200:
                assert answer.json()["retriable"], answer.text
                continue
            page = answer.json()
            found += [one["data"] for one in page["results"]]
            cursor = {"cursor": page["cursor"]}
            if len(found) >= count and not page["results"]:
                return found


async def freezes_of(running: Emulated) -> dict[int, int]:
    """Return how often each sandbox of send was frozen."""
    sandboxes = (await running.state("send"))["sandboxes"]
    return {sandbox["pid"]: sandbox["freezes"] for sandbox in sandboxes}


async def test_a_sandbox_is_frozen_between_its_calls_and_used_again(
    running: Emulated, client: Client
) -> None:
    stream = await client.start()
    await client.send(stream, 1)
    before = await freezes_of(running)

    await client.send(stream, 2)

    after = await freezes_of(running)
    assert after.keys() == before.keys()
    assert sorted(after[pid] - before[pid] for pid in after) == [0] * (len(after) - 1) + [1]
    assert all(map(is_frozen, after))


async def test_calls_at_the_same_time_have_a_sandbox_each(
    running: Emulated, client: Client
) -> None:
    stream = await client.start()
    await running.arm("send", "cold")
    cold = (await running.state("send"))["cold_starts"]

    await asyncio.gather(*(client.send(stream, number) for number in range(3)))

    state = await running.state("send")
    assert len(state["sandboxes"]) == 3
    assert state["cold_starts"] == cold + 3
    assert sorted(map(str, await all_results(client, stream, 3))) == ["0", "1", "2"]


# Each hole costs the seconds after which a dead connection is given up.
TIMES = {"cold": 2, "timeout": 2, "memory": 3, "cut": 2, "hole": 1}


def those_in_every_run(*faults: str) -> list[Any]:
    """Return all faults; the ones that are not named run in the soak."""
    soak = pytest.mark.soak
    return [fault if fault in faults else pytest.param(fault, marks=soak) for fault in TIMES]


@pytest.mark.parametrize("fault", those_in_every_run("timeout"))
async def test_a_client_that_insists_has_each_record_once(
    fault: str, running: Emulated, client: Client
) -> None:
    stream = await client.start()
    sent: list[object] = ["first"]
    await client.send(stream, "first")
    for number in range(TIMES[fault]):
        await running.arm("send", fault)
        await insist(client, stream, number, f"{fault}-{number}")
        # What dies in a freeze is noticed by the call after it.
        await insist(client, stream, -number, f"{fault}-{number}-again")
        sent += [number, -number]

    found = await all_results(client, stream, len(sent))

    assert await running.faults_left() == []
    assert found == sent


@pytest.mark.parametrize("fault", [pytest.param("cut", marks=pytest.mark.soak), "hole"])
async def test_after_a_dead_connection_a_call_answers_in_time_and_the_next_works(
    fault: str, running: Emulated, client: Client
) -> None:
    stream = await client.start()
    await running.arm("send", fault)
    await client.send(stream, "before")

    begun = time.monotonic()
    first = await client.http.post(f"/stream/{stream}/send", json={"data": "in doubt"})
    took = time.monotonic() - begun
    await client.send(stream, "after")

    assert took < ANSWER_SECONDS
    assert first.status_code in (202, 503), first.text
    found = await all_results(client, stream, 2)
    assert [data for data in found if data != "in doubt"] == ["before", "after"]
    assert found.count("in doubt") == (1 if first.status_code == 202 else found.count("in doubt"))


@pytest.mark.parametrize("fault", those_in_every_run("memory", "cut"))
async def test_a_reader_goes_on_at_its_cursor_whatever_becomes_of_the_function(
    fault: str, running: Emulated, client: Client
) -> None:
    stream = await client.start()
    await client.http.post(
        f"/stream/{stream}/send", json=[{"data": number} for number in range(10)]
    )
    await client.page(stream, wait=5)
    await running.arm("results", fault, TIMES[fault])

    found = await all_results(client, stream, 10)

    assert found == list(range(10))


async def test_the_control_port_refuses_what_it_does_not_know(running: Emulated) -> None:
    asked = {"function": "send", "fault": "flood"}
    async with httpx.AsyncClient(base_url=running.control_url) as control:
        refused = await control.post("/faults", json=asked)
        garbage = await control.post("/faults", content=b"[]")
        missing = await control.get("/nothing")

    assert (refused.status_code, garbage.status_code, missing.status_code) == (400, 400, 404)
    assert "cold, timeout, memory, cut, hole" in refused.json()["message"]


FOLLOW = """
window.seen = []; window.opened = 0;
window.source = new EventSource("/stream/%s/results");
window.source.onopen = () => { window.opened += 1; };
window.source.onmessage = (event) => { window.seen.push(JSON.parse(event.data).data); };
0
"""
RESULTS = 100


async def test_a_browser_follows_over_many_finite_answers_without_loss_or_repeat(
    running: Emulated, client: Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if executable() is None:
        pytest.skip("there is no Chromium on PATH to follow with")
    stream = await client.start()
    async with browser(tmp_path_factory.mktemp("browser") / "profile") as open_tab:
        page = await open_tab()
        await page.call("Network.enable")
        await page.call("Network.setExtraHTTPHeaders", headers=client.headers)
        await page.open(f"{running.url}/health/live")
        await page.evaluate(FOLLOW % stream)
        for first in range(0, RESULTS, 10):
            batch = [{"data": number} for number in range(first, first + 10)]
            await client.http.post(f"/stream/{stream}/send", json=batch)
            if first == RESULTS // 2:
                await running.arm("results", "cold")
                await running.arm("results", "cut")
            # Seen before the next is sent: so it takes an answer for each batch at least.
            await page.wait_for(f"window.seen.length >= {first + 10}", 60)
        seen, opened = await page.evaluate("[window.seen, window.opened]")
        await page.evaluate("window.source.close()")
        await page.close()

    assert seen == list(range(RESULTS))
    assert opened >= RESULTS // 10
