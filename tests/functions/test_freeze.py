"""A function that was frozen while its connections died answers in time, and works from then on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import pytest_asyncio

from tests.functions.api import KEY, SEAL_SECRET, Api
from tests.functions.lambda_process import LambdaProcess, lambda_process
from tests.functions.parity.asked import Asked
from tests.functions.parity.case import JSON, KEYED, SSE
from tests.functions.parity.events import http_v2
from tests.functions.parity.transports import answered
from tests.kafka.proxy import Proxy, proxied

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMISED_SECONDS = 6.0
FUNCTIONS = ("start", "send", "results", "streams")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(broker: str) -> AsyncIterator[Proxy]:
    async with proxied(broker) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def environ(network: Proxy, api: Api) -> dict[str, str]:
    return {
        "KAFKA_BROKER": network.bootstrap,
        "KAFKA_TOPIC_PREFIX": api.kafka.settings.topic_prefix,
        "API_KEYS": f"acme:{KEY}",
        "SIGNING_SECRET": SEAL_SECRET,
    }


@pytest.fixture(scope="module")
def opened(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, LambdaProcess]]:
    folder = tmp_path_factory.mktemp("sandboxes")
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(lambda_process(folder / name, environ)) for name in FUNCTIONS
        }


@pytest.fixture
def sandboxes(
    opened: dict[str, LambdaProcess], network: Proxy
) -> Iterator[dict[str, LambdaProcess]]:
    """Give a process for each function, as Lambda has them, behind a network that can fail."""
    yield opened
    network.switch("pass")
    for process in opened.values():
        process.left_ms = 29_000


def requests(stream_id: str) -> dict[str, Asked]:
    return {
        "start": Asked("POST", "/stream/start", (KEYED,), b""),
        "send": Asked("POST", f"/stream/{stream_id}/send", (KEYED,), b'{"data":1}'),
        "results": Asked("GET", f"/stream/{stream_id}/results", (KEYED, JSON)),
        "streams": Asked("GET", f"/stream/{stream_id}", (KEYED,)),
    }


async def call_all(
    sandboxes: dict[str, LambdaProcess], asked: dict[str, Asked]
) -> dict[str, tuple[int, Any, float]]:
    """Call every function at once; return status, body and seconds of each."""

    async def call(name: str) -> tuple[int, Any, float]:
        process = sandboxes[name]
        found = answered(await asyncio.to_thread(process.call, name, http_v2(asked[name])))
        return found.status, found.body, process.seconds

    return dict(zip(FUNCTIONS, await asyncio.gather(*map(call, FUNCTIONS)), strict=True))


async def open_all(sandboxes: dict[str, LambdaProcess], asked: dict[str, Asked]) -> None:
    """Have every function connected."""

    async def call(name: str) -> int:
        event = http_v2(asked[name])
        answer = await asyncio.to_thread(sandboxes[name].call_until_open, name, event)
        return int(answer["statusCode"])

    assert await asyncio.gather(*map(call, FUNCTIONS)) == list(WELL.values())


WELL = {"start": 201, "send": 202, "results": 200, "streams": 200}


async def call_after_a_freeze(
    sandboxes: dict[str, LambdaProcess], asked: dict[str, Asked], happen: Callable[[], None]
) -> dict[str, tuple[int, Any, float]]:
    """Open all, let something happen to their connections while they stand still, and call."""
    await open_all(sandboxes, asked)
    for process in sandboxes.values():
        process.freeze()
    happen()
    for process in sandboxes.values():
        process.thaw()
    return await call_all(sandboxes, asked)


def statuses(found: dict[str, tuple[int, Any, float]]) -> dict[str, int]:
    return {name: status for name, (status, *_) in found.items()}


async def test_connections_that_were_closed_in_a_freeze_cost_nothing(
    sandboxes: dict[str, LambdaProcess], network: Proxy, api: Api
) -> None:
    asked = requests(await api.start())

    found = await call_after_a_freeze(sandboxes, asked, network.reset)

    assert statuses(found) == WELL
    assert max(seconds for *_, seconds in found.values()) < PROMISED_SECONDS


async def test_connections_that_swallow_everything_are_noticed_in_time(
    sandboxes: dict[str, LambdaProcess], network: Proxy, api: Api
) -> None:
    asked = requests(await api.start())

    refused = await call_after_a_freeze(sandboxes, asked, lambda: network.switch("hole"))
    network.switch("pass")
    after = await call_all(sandboxes, asked)

    codes = {name: json.loads(body)["code"] for name, (_, body, _) in refused.items()}
    assert set(statuses(refused).values()) == {503}
    assert set(codes.values()) <= {"broker-unavailable", "outcome-unknown"}
    assert (codes["results"], codes["streams"]) == ("broker-unavailable",) * 2
    assert max(seconds for *_, seconds in refused.values()) < PROMISED_SECONDS
    assert statuses(after) == WELL
    assert max(seconds for *_, seconds in after.values()) < PROMISED_SECONDS


async def test_an_event_source_survives_what_swallows_everything(
    sandboxes: dict[str, LambdaProcess], network: Proxy, api: Api
) -> None:
    asked = Asked("GET", f"/stream/{await api.start()}/results?from=now", (KEYED, SSE))
    network.switch("hole")

    found = answered(await asyncio.to_thread(sandboxes["results"].call, "results", http_v2(asked)))

    assert (found.status, found.headers["content-type"]) == (200, "text/event-stream")
    assert b"event: error" in found.body
    assert b"retry: " in found.body


async def test_a_call_ends_before_its_invocation(
    sandboxes: dict[str, LambdaProcess], network: Proxy, api: Api
) -> None:
    stream_id = await api.start()
    asked = requests(stream_id)
    await open_all(sandboxes, asked)
    for process in sandboxes.values():
        process.left_ms = 3_000
    page = f"/stream/{stream_id}/results?from=now&wait=25"
    waiting = asked | {
        "results": Asked("GET", page, (KEYED, JSON)),
        "send": asked["send"]._replace(headers=(KEYED, ("prefer", "wait=25"))),
    }
    api.engine.hold()

    try:
        patient = await call_all(sandboxes, waiting)
        network.switch("hole")
        cut = await call_all(sandboxes, asked)
    finally:
        api.engine.release()

    assert statuses(patient) == WELL
    assert json.loads(patient["results"][1])["results"] == []
    assert max(seconds for *_, seconds in patient.values()) < 3.0
    assert set(statuses(cut).values()) == {503}
    assert json.loads(cut["streams"][1])["code"] == "broker-unavailable"
    assert max(seconds for *_, seconds in cut.values()) < 3.0
