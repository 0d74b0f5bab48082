"""How long a send waits for its answer while nothing of Kafka can be reached, and a stop too."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import pytest

from streaming_runtime.core.settings import KafkaSettings
from tests.client import Client
from tests.cluster.cluster import running_cluster
from tests.cluster.measured import percentile, spread, tell
from tests.cluster.outages import KINDS, Kind, Outages, all_of, one_broker
from tests.cluster.send_load import STORED, SendLoad, check_the_log, sending_to
from tests.product import Process, Product, product

RATE = 200
PARTITIONS = 4
PROMISED_SECONDS = 3.5
STOP_SECONDS = 5.0
DRAIN_SECONDS = 1.0
# Not measured here: how long brokers on a busy machine need is theirs.
RETURN_SECONDS = 30.0
# What a machine that runs the brokers, the product and its clients on two cores may add.
SLACK_SECONDS = 1.0
TOLD = {STORED, "broker-unavailable", "outcome-unknown", "overloaded"}


async def streams_of(api: Process) -> list[str]:
    async with Client(api.url) as client:
        return [await client.start() for _ in range(8)]


async def returns(load: SendLoad) -> float:
    """Wait until every stream takes records again, and return how long that took."""
    began = perf_counter()
    async with asyncio.timeout(RETURN_SECONDS):
        while any(load.first_stored(began, stream) is None for stream in range(8)):
            await asyncio.sleep(0.05)
    return perf_counter() - began


async def lasting(outages: Outages, kind: Kind, load: SendLoad, seconds: float) -> list[float]:
    """Return how long each send waited that was due in an outage."""
    await outages.begin(kind)
    began = perf_counter()
    await asyncio.sleep(seconds)
    ended = perf_counter()
    await outages.end(kind)
    await returns(load)
    return [answer.took for answer in load.due_in(began, ended)]


async def waits(
    outages: Outages, made: Product, kinds: Sequence[Kind], seconds: float
) -> dict[str, list[float]]:
    api = made.api()
    await api.start()
    waited: dict[str, list[float]] = {}
    async with sending_to(api.url, await streams_of(api), RATE) as load:
        await returns(load)
        for kind in kinds:
            waited[kind] = await lasting(outages, kind, load, seconds)
    assert set(load.outcomes()) <= TOLD
    settings = KafkaSettings(outages.bootstrap, "plaintext", made.prefix, PARTITIONS)
    await check_the_log(settings, load.answers)
    assert await api.stop() == 0
    return waited


@pytest.mark.soak
async def test_sends_are_answered_in_time_while_kafka_stands_still_and_while_answers_are_lost(
    tmp_path: Path,
) -> None:
    async with (
        one_broker(tmp_path / "kafka") as outages,
        product(outages.bootstrap, tmp_path) as made,
    ):
        waited = await waits(outages, made, ("frozen", "deaf"), 3.5)

    for seconds in waited.values():
        assert len(seconds) > 2 * RATE
        assert percentile(seconds, 0.999) < PROMISED_SECONDS + SLACK_SECONDS


@pytest.mark.soak
@pytest.mark.timeout(400)
async def test_sends_are_answered_within_three_and_a_half_seconds_in_every_total_outage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        running_cluster(tmp_path / "kafka", with_proxies=True) as cluster,
        product(cluster.bootstrap, tmp_path) as made,
    ):
        waited = await waits(all_of(cluster), made, KINDS, 15.0)

    for kind, seconds in waited.items():
        tell(capsys, f"row 6, a send, {kind}", sends=len(seconds), **spread(seconds))
    everything = [each for seconds in waited.values() for each in seconds]
    tell(capsys, "row 6, a send, all", sends=len(everything), **spread(everything))
    assert percentile(everything, 0.999) <= PROMISED_SECONDS


@pytest.mark.soak
@pytest.mark.timeout(400)
async def test_api_and_processing_end_within_five_seconds_in_every_total_outage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    took: dict[str, dict[str, float]] = {}
    async with running_cluster(tmp_path / "kafka", with_proxies=True) as cluster:
        outages = all_of(cluster)
        async with product(cluster.bootstrap, tmp_path) as made:
            for kind in KINDS:
                await cluster.healthy()
                api, processing = made.api(), made.processing()
                await asyncio.gather(api.start(), processing.start())
                async with sending_to(api.url, await streams_of(api), RATE) as load:
                    await returns(load)
                    await outages.begin(kind)
                    # So that all is on its way to nowhere: records, commits, fetches.
                    await asyncio.sleep(1.0)
                    ends = await asyncio.gather(ended(api), ended(processing))
                took[kind] = dict(zip(("api", "processing"), ends, strict=True))
                await outages.end(kind)

    for name, seconds in took.items():
        tell(capsys, f"row 6, a stop, {name}", **seconds)
    for seconds in took.values():
        assert seconds["processing"] <= STOP_SECONDS
        assert seconds["api"] <= STOP_SECONDS + DRAIN_SECONDS


async def ended(process: Process) -> float:
    """Return how long it took to end as it was told."""
    began = perf_counter()
    await process.stop()
    return round(perf_counter() - began, 2)
