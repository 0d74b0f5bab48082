"""Brokers that are killed, stopped, moved and missed, under the whole product and under sends."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.producer import SupervisedProducer
from tests.client import Client
from tests.cluster.cluster import RunningCluster
from tests.cluster.sends import SLACK_SECONDS, Sends, sending
from tests.cluster.topics import ask_for, minimum_in_sync
from tests.product import product
from tests.stories.traffic import traffic

pytestmark = pytest.mark.asyncio(loop_scope="module")

RETURN_SECONDS = 5.0


@pytest.mark.timeout(150)
async def test_a_killed_leader_that_is_also_the_controller_costs_no_reader_a_result(
    cluster: RunningCluster, tmp_path: Path
) -> None:
    await cluster.heal()
    async with product(cluster.bootstrap, tmp_path) as made:
        api, processing = made.api(), made.processing()
        await asyncio.gather(api.start(), processing.start())
        async with Client(api.url) as client, traffic(client, client, streams=6) as flow:
            await flow.is_read(20)
            killed = await cluster.controller()
            for topic in ("input", "results"):
                await cluster.move_leader(f"{made.prefix}{topic}", 0, killed)
            await cluster.kill(killed)
            await flow.is_read(20)
            await cluster.heal()
            await flow.is_read(20)
        topics = await cluster.topics()

    ours = {topic for topic in topics if topic.startswith(made.prefix)}
    # What processing keeps as its state is as safe as what it writes.
    assert any("changelog" in topic or "state" in topic for topic in ours), ours
    assert {"__consumer_offsets"} <= topics.keys()
    assert {
        topic for topic, place in topics.items() if sorted(place.replicas) != [1, 2, 3]
    } == set()
    minimum = await minimum_in_sync(cluster.direct, sorted(ours | {"__consumer_offsets"}))
    assert {topic for topic, replicas in minimum.items() if replicas != "2"} == set()


@pytest.mark.soak
async def test_a_leader_that_moves_refuses_nobody(
    cluster: RunningCluster,
    settings: KafkaSettings,
    producer: SupervisedProducer,
    sends: Sends,
    keys: list[bytes],
) -> None:
    before = producer._current
    async with sending(sends, keys):
        for partition in range(settings.partitions):
            await sends.more(10)
            await cluster.move_leader(settings.input_topic, partition)
        await sends.more(30)

    await sends.check(cluster.direct)
    assert set(sends.answers) == {"stored"}
    assert producer._current is before


@pytest.mark.soak
async def test_a_leader_that_stands_still_delays_only_its_own_partitions(
    cluster: RunningCluster, settings: KafkaSettings, sends: Sends, keys: list[bytes]
) -> None:
    # Each leads one, whatever tests before have left.
    for partition, node in enumerate((1, 2, 3)):
        if await cluster.leader(settings.input_topic, partition) != node:
            await cluster.move_leader(settings.input_topic, partition, node)
    async with sending(sends, keys):
        await sends.more(30)
        cluster.pause(1)
        # It goes out of sync only when its session ends, and until then nobody has all replicas.
        took = await sends.returns(keys[0], 2 * RETURN_SECONDS)
        await sends.more(30)
        cluster.resume(1)
        await sends.more(30)

    assert took < 2 * RETURN_SECONDS
    await cluster.heal()
    await sends.check(cluster.direct)


async def test_a_partition_without_enough_replicas_refuses_at_once_and_comes_back_by_itself(
    cluster: RunningCluster,
    settings: KafkaSettings,
    producer: SupervisedProducer,
    sends: Sends,
    keys: list[bytes],
) -> None:
    leader = await cluster.leader(settings.input_topic, 0)
    missing = next(node for node in (1, 2, 3) if node != leader)
    await sends.one(keys[0])
    # With one of three gone, all three are too many to ask for: as two of three with the usual two.
    await ask_for(cluster.direct, settings.input_topic, 3)
    await cluster.kill(missing)
    await sends.is_refused_at_once(keys[0])

    began = time.monotonic()
    refused = [await sends.one(keys[0]) for _ in range(200)]
    took = time.monotonic() - began
    before = producer._current
    await cluster.restart(missing)
    returned = await sends.returns(keys[0])

    assert set(refused) == {"broker-unavailable"}
    assert took < 200 * 0.01 + SLACK_SECONDS
    assert returned < RETURN_SECONDS
    # Its sequence numbers were taken back: no producer had to be replaced.
    assert producer._current is before
    await sends.check(cluster.direct)
