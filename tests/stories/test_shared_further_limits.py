"""Records, starts and open readers of a tenant: one budget over two servers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.client import Client, frame
from tests.product import Product, product

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

RECORDS, STARTS, READERS = 20, 4, 3
KEYS = [f"further-key-{number:02d}-0123456789" for number in range(4)]
LINES = {"content-type": "application/x-ndjson"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(broker: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    environ = {
        "API_KEYS": ",".join(f"tenant-{key[12:14]}:{key}" for key in KEYS),
        "RATE_LIMIT_RECORDS_PER_SECOND": str(RECORDS),
        "RATE_LIMIT_STARTS_PER_SECOND": str(STARTS),
        "RATE_LIMIT_READERS": str(READERS),
    }
    async with product(broker, tmp_path_factory.mktemp("further"), environ) as made:
        for _ in range(2):
            await made.api().start()
        yield made


def clients_of(pair: Product, key: str) -> list[Client]:
    return [Client(process.url, key) for process in pair.processes]


async def lines_of(client: Client, stream: str, count: int) -> list[Any]:
    """Send so many records as lines; return the answers."""
    body = "".join(json.dumps({"data": number}) + "\n" for number in range(count))
    answer = await client.http.post(f"/stream/{stream}/send", content=body, headers=LINES)
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_records_are_one_budget_however_and_wherever_they_come(pair: Product) -> None:
    one, other = clients_of(pair, KEYS[0])
    async with one, other, asyncio.timeout(60):
        stream, begun = await one.start(), time.monotonic()
        told = await asyncio.gather(*[lines_of(client, stream, 40) for client in (one, other)])
        array = [{"data": number} for number in range(30)]
        refused = await other.http.post(f"/stream/{stream}/send", json=array)
        seconds = time.monotonic() - begun
        await asyncio.sleep(int(refused.headers["retry-after"]))
        fitting = await one.http.post(f"/stream/{stream}/send", json=array)

    codes = [answer.get("code") for answers in told for answer in answers]
    assert set(codes) == {None, "rate-limited"}
    # A bucket gives one less than it holds where several take from it.
    assert 2 * RECORDS - 1 <= codes.count(None) <= 2 * RECORDS + RECORDS * seconds
    assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
    assert refused.headers["ratelimit-policy"] == f'"records";q={3 * RECORDS};w=1'
    assert fitting.status_code == 207


async def test_starts_are_one_budget(pair: Product) -> None:
    one, other = clients_of(pair, KEYS[1])
    async with one, other:
        begun = time.monotonic()
        answers = await asyncio.gather(
            *[client.http.post("/stream/start", json={}) for client in (one, other) * STARTS * 2]
        )
        seconds = time.monotonic() - begun

    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {201, 429}
    assert 2 * STARTS - 1 <= statuses.count(201) <= 2 * STARTS + STARTS * seconds


async def test_open_readers_are_one_budget_whatever_their_form(pair: Product) -> None:
    one, other = clients_of(pair, KEYS[2])
    async with one, other, asyncio.timeout(60):
        stream = await one.start()
        async with (
            one.events(stream) as events,
            other.lines(stream) as lines,
            other.socket(stream) as socket,
        ):
            await anext(events), await anext(lines)
            assert (await frame(socket))["type"] == "position"
            for client in (one, other):
                accept = {"accept": "application/x-ndjson"}
                refused = await client.http.get(f"/stream/{stream}/results", headers=accept)
                assert refused.status_code == 429
                assert refused.headers["ratelimit"].startswith('"readers";r=0')
        # Elsewhere, too, a place is free at the latest when Retry-After is over.
        await asyncio.sleep(int(refused.headers["retry-after"]))
        async with one.lines(stream) as lines:
            assert (await anext(lines))["control"] == "position"
