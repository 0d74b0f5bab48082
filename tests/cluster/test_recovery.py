"""How long it takes until something works again once Kafka, or the API, is back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import perf_counter

import httpx
import pytest

from streaming_runtime.core.settings import KafkaSettings
from tests.client import Client
from tests.cluster.cluster import running_cluster
from tests.cluster.measured import spread, tell
from tests.cluster.outages import KINDS, Outages, all_of, one_broker
from tests.cluster.send_load import SendLoad, check_the_log, sending_to
from tests.product import Process, product

pytestmark = pytest.mark.soak

RECOVERIES = 32
API_KILLS = 6
SEED = 7
RATE = 100
STREAMS = 8
PARTITIONS = 4
PROMISED_SECONDS = 5.0
LIMIT_SECONDS = 20.0


async def streams_of(api: Process) -> list[str]:
    async with Client(api.url) as client:
        return [await client.start() for _ in range(STREAMS)]


async def first_stored(load: SendLoad, since: float, stream: int | None = None) -> float:
    """Return how long after ``since`` a send was told to be stored."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while (at := load.first_stored(since, stream)) is None:
            await asyncio.sleep(0.02)
    return at - since


async def recovery(outages: Outages, load: SendLoad, number: int, seconds: float) -> list[float]:
    """Have an outage; return when the first stream, and when the last one, takes records again."""
    kind = KINDS[number % len(KINDS)]
    await outages.begin(kind)
    await asyncio.sleep(seconds)
    await outages.end(kind)
    back = perf_counter()
    each = await asyncio.gather(*(first_stored(load, back, n) for n in range(STREAMS)))
    return [min(each), max(each)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("brokers", [1, 3])
async def test_sends_work_within_five_seconds_of_the_return_of_kafka(
    brokers: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = random.Random(SEED)
    first: dict[str, list[float]] = {}
    last: dict[str, list[float]] = {}
    made_of = one_broker(tmp_path / "kafka") if brokers == 1 else three(tmp_path / "kafka")
    async with made_of as outages, product(outages.bootstrap, tmp_path) as made:
        api = made.api()
        await api.start()
        async with sending_to(api.url, await streams_of(api), RATE) as load:
            await first_stored(load, 0.0)
            for number in range(RECOVERIES):
                took = await recovery(outages, load, number, seconds.uniform(1.0, 6.0))
                first.setdefault(KINDS[number % 4], []).append(took[0])
                last.setdefault(KINDS[number % 4], []).append(took[1])
                await asyncio.sleep(0.5)
        settings = KafkaSettings(outages.bootstrap, "plaintext", made.prefix, PARTITIONS)
        await check_the_log(settings, load.answers)

    for kind in KINDS:
        tell(
            capsys,
            f"row 7, {brokers} broker(s) back after {kind}",
            first_stream=spread(first[kind]),
            last_stream=spread(last[kind]),
        )
    assert sum(map(len, first.values())) >= 30
    assert max(max(took) for took in first.values()) <= PROMISED_SECONDS


@asynccontextmanager
async def three(directory: Path) -> AsyncIterator[Outages]:
    async with running_cluster(directory, with_proxies=True) as cluster:
        yield all_of(cluster)


@pytest.mark.timeout(240)
async def test_a_reader_has_events_within_five_seconds_of_the_restart_of_a_killed_api(
    broker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from_launch: list[float] = []
    from_ready: list[float] = []
    async with product(broker, tmp_path) as made:
        killed, other, processing = made.api(), made.api(), made.processing()
        await asyncio.gather(killed.start(), other.start(), processing.start())
        async with Client(killed.url) as reading, Client(other.url) as writing:
            stream = await writing.start()
            cursor = str((await reading.page(stream))["cursor"])
            for number in range(API_KILLS):
                await killed.kill()
                await writing.send(stream, number)
                began = perf_counter()
                await killed.launch()
                reader = asyncio.ensure_future(next_event(reading, stream, cursor))
                await killed.ready()
                ready = perf_counter()
                data, cursor, at = await reader
                from_launch.append(at - began)
                from_ready.append(max(0.0, at - ready))
                assert data == number

    tell(
        capsys,
        "row 7, events after a killed API starts again",
        since_its_start=spread(from_launch),
        since_it_is_ready=spread(from_ready),
    )
    assert max(from_launch) <= PROMISED_SECONDS


async def next_event(client: Client, stream: str, cursor: str) -> tuple[object, str, float]:
    """Return the data of the next result, its id and when it came, connecting until that works."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            with suppress(httpx.TransportError):
                async with client.events(stream, last_event_id=cursor) as events:
                    async for event in events:
                        if event.data:
                            return event.json()["data"], event.id, perf_counter()
            await asyncio.sleep(0.05)
