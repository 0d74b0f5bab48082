"""What goes wrong around a running process: brokers, deliveries, kills."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from local.broker import Broker
from streaming_runtime.core.model import new_stream_id
from tests.eventually import eventually
from tests.processing.traffic import Sent, Traffic, headers_of, metric, seen_by_readers, source_of
from tests.product import Process, Product


@pytest.fixture
async def own_broker(tmp_path: Path) -> AsyncIterator[Broker]:
    broker = Broker(tmp_path / "kafka")
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


def figure(process: Process, name: str) -> float:
    return metric(int(process.url.rpartition(":")[2]), name)


@pytest.mark.soak
async def test_a_process_outlives_its_broker_and_goes_on_without_a_hole(
    own_broker: Broker, processes: Product
) -> None:
    traffic = Traffic(own_broker.bootstrap)
    await traffic.make_topics()
    process = processes.processing(**traffic.environ)
    await process.start()
    before = await traffic.send(*(Sent(b"%d" % n) for n in range(500)))
    await traffic.results_of(before[:1])

    own_broker.kill()
    await own_broker.wait()
    await own_broker.stop()
    await own_broker.start()
    after = await traffic.send(*(Sent(b"%d" % n) for n in range(500)))
    results = await traffic.results_of([*before, *after], seconds=40)

    assert [int(result.value) for result in results] == 2 * list(range(500))
    for seen in seen_by_readers(await traffic.all_results()).values():
        assert seen == list(range(len(seen)))
    assert await process.stop() == 0


async def test_a_delivery_that_fails_stops_the_rest_and_is_made_good_from_the_last_commit(
    traffic: Traffic, processes: Product
) -> None:
    key = new_stream_id().encode()
    process = processes.processing(**traffic.environ)
    await process.start()
    await traffic.results_of(await traffic.send(Sent(b"0", key=key)))
    # The running process knows the limit that was: Kafka refuses what it writes.
    await _limit(traffic, 20_000)

    sources = await traffic.send(
        *(Sent(b"%d" % n, key=key) for n in range(1, 400)),
        Sent(b'"' + b"x" * 50_000 + b'"', key=key),
        *(Sent(b"%d" % n, key=key) for n in range(400, 800)),
    )
    *_, last = await traffic.results_of(sources, seconds=40)

    assert last.value == b"799"
    assert figure(process, "millrace_processing_restarts_total") >= 1
    results = await traffic.all_results()
    (seen,) = seen_by_readers(results).values()
    assert seen == list(range(801))
    large = next(result for result in results if source_of(result) == sources[399])
    assert headers_of(large)["kind"] == b"failed"


@pytest.mark.soak
async def test_exactly_once_leaves_no_repeat_in_the_log_after_a_kill(
    traffic: Traffic, processes: Product
) -> None:
    environ = {**traffic.environ, "PROCESSING_GUARANTEE": "exactly-once"}
    one, other = (processes.processing(**environ) for _ in range(2))
    sources = await traffic.send(*(Sent(b"%d" % n) for n in range(4_000)))

    await one.start()
    await eventually(lambda: figure(one, 'millrace_processed_total{kind="result"}') > 0, 30)
    await one.kill()
    await other.start()
    results = await traffic.results_of(sources, seconds=40)

    assert [int(result.value) for result in results] == list(range(4_000))
    everything = [source_of(result) for result in await traffic.all_results()]
    assert len(everything) == len(set(everything)) == 4_000


async def _limit(traffic: Traffic, max_bytes: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=traffic.settings.broker)
    await admin.start()
    try:
        topic = traffic.settings.results_topic
        config = {"max.message.bytes": str(max_bytes)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)])
        await asyncio.sleep(0)
    finally:
        await admin.close()
