"""Every way into the product gives one answer to one request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import msgspec
import pytest
import pytest_asyncio

from tests.functions.api import KEY, OTHER_KEY, SEAL_SECRET, Api
from tests.functions.lambda_process import LambdaProcess, lambda_process
from tests.functions.parity import events
from tests.functions.parity.asked import Answered, Asked, Transport
from tests.functions.parity.case import KEYED, Case
from tests.functions.parity.cases import CASES
from tests.functions.parity.comparing import essence
from tests.functions.parity.transports import AsEvents, OverHttp, direct_client, server_client
from tests.functions.parity.world import WITHOUT_LIMITS, made_world
from tests.product import product

module_loop = pytest.mark.asyncio(loop_scope="module")

EVENTS = {
    "REST API v1": events.rest_v1,
    "HTTP API v2": events.http_v2,
    "load balancer": events.alb_multi_value,
    "load balancer without lists": events.alb,
}
# One for each function that it can only answer with Kafka.
OPENING = [
    Asked("POST", "/stream/start", (KEYED,)),
    Asked("POST", "/stream/nothing/send", (KEYED,)),
    Asked("GET", "/stream/nothing/results", (KEYED,)),
    Asked("GET", "/stream/nothing", (KEYED,)),
]
WITHOUT_LISTS = "load balancer without lists"


def environ_of(broker: str, api: Api) -> dict[str, str]:
    """Return what makes a process a replica of the API of this module."""
    return {
        "KAFKA_BROKER": broker,
        "KAFKA_TOPIC_PREFIX": api.kafka.settings.topic_prefix,
        "KAFKA_PARTITIONS": str(api.kafka.settings.partitions),
        "API_KEYS": f"acme:{KEY},other:{OTHER_KEY}",
        "SIGNING_SECRET": SEAL_SECRET,
        **WITHOUT_LIMITS,
    }


@pytest.fixture(scope="module")
def function(
    broker: str, api: Api, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LambdaProcess]:
    log = tmp_path_factory.mktemp("lambda") / "log"
    with lambda_process(log, environ_of(broker, api)) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def transports(
    broker: str, api: Api, function: LambdaProcess, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[Transport]]:
    """Give every way but the emulator's; the first is what the others are compared with."""
    folder = tmp_path_factory.mktemp("server")
    async with AsyncExitStack() as stack:
        app = api.application(is_streaming=False)
        direct = await stack.enter_async_context(direct_client(app))
        made = await stack.enter_async_context(product(broker, folder, environ_of(broker, api)))
        server = made.api()
        await server.start()
        client = await stack.enter_async_context(server_client(server.url))
        for asked in OPENING:
            name, event = events.function_of(asked), events.rest_v1(asked)
            await asyncio.to_thread(function.call_until_open, name, event)
        called = [AsEvents(name, function, event_of) for name, event_of in EVENTS.items()]
        yield [OverHttp("direct", direct), *called, OverHttp("server", client)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(api: Api) -> dict[str, str]:
    return await made_world(api)


async def answered(transport: Transport, case: Case, world: dict[str, str], api: Api) -> Answered:
    own = {"fresh": await api.start()} if case.needs_fresh else {}
    return await transport.answer(case.asked(world | own))


@module_loop
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_a_request_has_one_answer_wherever_it_goes_in(
    case: Case, transports: list[Transport], world: dict[str, str], api: Api
) -> None:
    is_write = case.method == "POST"
    reference, *others = [
        one for one in transports if not (case.is_repeated and one.name == WITHOUT_LISTS)
    ]

    first = await answered(reference, case, world, api)
    found = {one.name: await answered(one, case, world, api) for one in others}

    expected = essence(first, is_write=is_write)
    assert first.status == case.status, first.body
    assert not case.code or expected["body"]["code"] == case.code
    for name, answer in found.items():
        assert essence(answer, is_write=is_write) == expected, name


def test_the_table_is_as_large_as_it_has_to_be() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


@module_loop
async def test_a_cursor_of_the_container_goes_on_in_a_function_and_back(
    transports: list[Transport], world: dict[str, str]
) -> None:
    found = []
    cursor = ""
    places = {one.name: one for one in transports}
    page = next(case for case in CASES if case.name == "page: two").asked(world)
    for name in ("server", "REST API v1", "server", "HTTP API v2", "load balancer"):
        target = page.path + "?limit=1" + (f"&cursor={cursor}" if cursor else "")
        read = (await places[name].answer(page._replace(target=target))).body
        answer = msgspec.json.decode(read)
        found += answer["results"]
        cursor = answer["cursor"]

    whole = page._replace(target=page.path)
    everything = msgspec.json.decode((await transports[0].answer(whole)).body)
    assert found == everything["results"]
