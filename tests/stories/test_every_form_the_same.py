"""One sequence: whatever the form, the replica and the place of each cut, every reader sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest
import pytest_asyncio

from streaming_runtime.core.model import Processor, Stream
from streaming_runtime.core.settings import KafkaSettings
from tests.client import Client, Json
from tests.functions.lambda_process import lambda_process
from tests.kafka.parts import plain_producer
from tests.product import product
from tests.stories.readers import Reader
from tests.stories.walks import FORMS, Engine, Functions, Walker, lambda_environ

SOURCES = 600
WALKS_AT_ONCE = 6
ENDLESS = ("sse", "lines", "socket")
module_loop = pytest.mark.asyncio(loop_scope="module")


class Scene(NamedTuple):
    """Two servers and a function over one log, and what an uncut reader sees of a stream in it."""

    clients: Sequence[Client]
    functions: Functions
    stream: str
    results: list[Json]

    def walker(self) -> Walker:
        return Walker(self.clients, self.functions, self.stream)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(broker: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("forms")
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(product(broker, folder))
        servers = [made.api(), made.api()]
        await asyncio.gather(*(server.start() for server in servers))
        clients = [await stack.enter_async_context(Client(server.url)) for server in servers]
        environ = lambda_environ(made.environ)
        process = stack.enter_context(lambda_process(folder / "lambda.log", environ))
        stream = await clients[0].start()
        # Nobody processes here: the receipt tells the partition, and the engine is ours.
        partition = (await clients[0].send(stream, "unread"))["partition"]
        settings = KafkaSettings(broker, "plaintext", made.prefix, 4)
        known = Stream(stream, "default", Processor("identity"), "", partition, 0, 0)
        async with plain_producer(settings) as producer:
            await Engine(settings, producer, partition, known).write(SOURCES)
        reader = Reader(clients[1], stream)
        async with asyncio.timeout(30):
            assert await reader.sse()
        yield Scene(clients, Functions(process), stream, reader.results)


@module_loop
async def test_the_uncut_reader_sees_each_source_once_and_in_order(scene: Scene) -> None:
    sources = [int(result["source"].split("-")[1]) for result in scene.results]

    assert sources == sorted(set(sources))
    assert len(sources) > SOURCES / 3
    assert [r["data"] for r in scene.results] == [{"n": s} for s in sources[:-1]] + [None]
    assert [r["kind"] for r in scene.results] == ["result"] * (len(sources) - 1) + ["end"]


@module_loop
@pytest.mark.parametrize("form", FORMS)
async def test_each_form_alone_gives_the_sequence(scene: Scene, form: str) -> None:
    walker = scene.walker()

    async with asyncio.timeout(50):
        await walker.walk([form])

    assert walker.results == scene.results


@module_loop
@pytest.mark.timeout(180)
async def test_dozens_of_cuts_change_nothing(scene: Scene) -> None:
    assert await cuts_that_change_nothing(scene, 50) >= 50


@module_loop
@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_ten_thousand_cuts_change_nothing(scene: Scene) -> None:
    assert await cuts_that_change_nothing(scene, 10_000) >= 10_000


async def cuts_that_change_nothing(scene: Scene, wanted: int) -> int:
    """Walk until so many cuts were made; return how many there were."""
    cuts = 0

    async def walk() -> None:
        nonlocal cuts
        while cuts < wanted:
            walker = scene.walker()
            await walker.walk(FORMS)
            assert walker.results == scene.results
            assert {told["kind"] for told in walker.told} <= {"position"}
            cuts += walker.cuts

    async with asyncio.TaskGroup() as walks:
        for _ in range(WALKS_AT_ONCE):
            walks.create_task(walk())
    return cuts


FIRSTS = [*ENDLESS, "function sse", "function lines"]
QUERIES: list[dict[str, str]] = [{"limit": "55"}, {"until": "now"}, {"tail": "70"}, {"since": ""}]
# Each form and each query in `make test`, every pair of them in `make soak`.
PAIRS = [
    pytest.param(
        *(first, query),
        marks=[] if not row or column == row % len(QUERIES) else [pytest.mark.soak],
        id=f"{first}-{next(iter(query))}",
    )
    for row, first in enumerate(FIRSTS)
    for column, query in enumerate(QUERIES)
]


@module_loop
@pytest.mark.parametrize(("first", "query"), PAIRS)
async def test_bounds_and_places_of_one_form_are_kept_by_all_others(
    scene: Scene, first: str, query: dict[str, str]
) -> None:
    expected = scene.results
    if "since" in query:
        query = {"since": scene.results[0]["processed_at"]}
    elif "limit" in query:
        expected = scene.results[:55]
    elif "tail" in query:
        expected = scene.results[-70:]
    walker = scene.walker()

    async with asyncio.timeout(50):
        if not await walker.cut(first, query):
            await walker.walk(
                FORMS, {k: v for k, v in query.items() if k not in ("limit", "until")}
            )

    assert without_ids(walker.results) == without_ids(expected)


def without_ids(results: list[Json]) -> list[Json]:
    """Return what limit and until do not change."""
    return [{name: member for name, member in result.items() if name != "id"} for result in results]
