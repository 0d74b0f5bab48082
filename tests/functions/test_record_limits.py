"""Limits of records and their bytes: said before anything of them is stored."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from streaming_runtime.core.further_limits import FurtherLimits, FurtherRates
from streaming_runtime.http.application import create_app
from streaming_runtime.http.gate import Gate
from tests.functions.api import ROUTERS, Api, client_of, no_limits, services

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Ten records, and 400 bytes, of which none flow in again.
RATES = FurtherRates(records=5, bytes=200)
LINES = {"content-type": "application/x-ndjson"}


@pytest.fixture
async def limited(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the same streams, with small limits and a clock that stands still."""
    parts = services(api.kafka, api.keys, api.log, no_limits(), is_streaming=True)
    further = FurtherLimits(RATES, lambda: 0.0)
    gate = Gate(parts.gate.credentials, no_limits(), further)
    async with client_of(create_app(ROUTERS, replace(parts, gate=gate), api.figures)) as client:
        yield client


async def stored(api: Api, stream_id: str) -> list[object]:
    """Return the data of what is stored: a last record shows that all before it is there."""
    await api.client.post(f"/stream/{stream_id}/send", json={"data": "last"})
    found: list[object] = []
    while not found or found[-1] != "last":
        found = [one["data"] for one in (await api.page(stream_id, wait=10))["results"]]
    return found[:-1]


async def test_an_answer_tells_what_is_left_of_every_limit(
    api: Api, limited: httpx.AsyncClient
) -> None:
    stream_id = await api.start()

    answer = await limited.post(f"/stream/{stream_id}/send", json={"data": "12345678"})

    assert answer.status_code == 202
    assert answer.headers["ratelimit-policy"] == '"records";q=15;w=1, "bytes";q=600;w=1'
    assert answer.headers["ratelimit"] == '"records";r=9;t=1, "bytes";r=390;t=1'


async def test_an_array_that_does_not_fit_is_refused_whole(
    api: Api, limited: httpx.AsyncClient
) -> None:
    stream_id = await api.start()
    path = f"/stream/{stream_id}/send"

    first = await limited.post(path, json=[{"data": n} for n in range(6)])
    refused = await limited.post(path, json=[{"data": n} for n in range(6, 11)])
    fitting = await limited.post(path, json=[{"data": n} for n in range(20, 24)])

    assert (first.status_code, fitting.status_code) == (207, 207)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
    assert refused.headers["ratelimit-policy"] == '"records";q=15;w=1'
    assert int(refused.headers["retry-after"]) >= 1
    assert await stored(api, stream_id) == [0, 1, 2, 3, 4, 5, 20, 21, 22, 23]


async def test_lines_are_let_in_and_refused_one_by_one(
    api: Api, limited: httpx.AsyncClient
) -> None:
    stream_id = await api.start()
    body = "".join(json.dumps({"data": number}) + "\n" for number in range(13)) + "bad\n"

    answer = await limited.post(f"/stream/{stream_id}/send", content=body, headers=LINES)

    told = [json.loads(line).get("code") for line in answer.text.splitlines()]
    assert answer.status_code == 200
    assert told == [None] * 10 + ["rate-limited"] * 3 + ["invalid-body"]
    # The answer's head was written before: each line says when to come back.
    assert json.loads(answer.text.splitlines()[10])["retry_after_seconds"] >= 1
    assert await stored(api, stream_id) == list(range(10))


async def test_bytes_are_those_of_the_data(api: Api, limited: httpx.AsyncClient) -> None:
    stream_id = await api.start()
    path = f"/stream/{stream_id}/send"

    first = await limited.post(path, json={"data": "x" * 298})
    refused = await limited.post(path, json={"data": "x" * 99})
    fitting = await limited.post(path, json={"data": "x" * 98})

    assert [answer.status_code for answer in (first, refused, fitting)] == [202, 429, 202]
    assert refused.headers["ratelimit"].startswith('"bytes";r=100;')
    assert len(await stored(api, stream_id)) == 2


async def test_a_refused_send_leaves_its_idempotency_key_unused(
    api: Api, limited: httpx.AsyncClient
) -> None:
    stream_id = await api.start()
    path, keyed = f"/stream/{stream_id}/send", {"idempotency-key": "one"}
    await limited.post(path, json=[{"data": n} for n in range(10)])

    refused = [
        await limited.post(path, json=body, headers=keyed)
        for body in ({"data": 1}, [{"data": 1}, {"data": 2}])
    ]
    later = await api.client.post(path, json={"data": "later"}, headers=keyed)

    assert [answer.status_code for answer in refused] == [429, 429]
    assert later.status_code == 202
    assert "idempotent-replayed" not in later.headers
