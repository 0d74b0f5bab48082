"""What is not trusted any longer once the process itself stood still."""

from __future__ import annotations

import time

import pytest

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.clients import SEND_SECONDS
from streaming_runtime.kafka.freshness import STALE_SECONDS, Freshness
from streaming_runtime.kafka.offsets import STANDING_SECONDS, Offsets
from streaming_runtime.kafka.producer import Stored, SupervisedProducer
from tests.kafka.parts import everything_in, in_background, outcome, reader, running_producer
from tests.kafka.proxy import Proxy

KEY = b"a" * 22


class Clocks:
    """Both clocks, which a test may set forward."""

    def __init__(self) -> None:
        self.steady_ahead = 0.0
        self.wall_ahead = 0.0
        self.freshness = Freshness(self._steady, self._wall)

    def _steady(self) -> float:
        return time.monotonic() + self.steady_ahead

    def _wall(self) -> float:
        return time.time() + self.wall_ahead


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def test_a_process_that_runs_has_no_standstill(clocks: Clocks) -> None:
    for _ in range(100):
        clocks.steady_ahead += STALE_SECONDS / 2
        assert clocks.freshness.count() == 0


@pytest.mark.parametrize("clock", ["steady_ahead", "wall_ahead"])
def test_a_gap_in_either_clock_is_one_standstill(clocks: Clocks, clock: str) -> None:
    setattr(clocks, clock, STALE_SECONDS)

    assert clocks.freshness.count() == 1
    assert clocks.freshness.count() == 1


def test_a_clock_that_is_set_back_is_none(clocks: Clocks) -> None:
    clocks.wall_ahead = -3600.0

    assert clocks.freshness.count() == 0


async def test_after_a_standstill_a_send_takes_no_connection_from_before(
    proxied_settings: KafkaSettings, proxy: Proxy, clocks: Clocks
) -> None:
    topic = proxied_settings.input_topic
    producer = SupervisedProducer(
        lambda: clients.producer(proxied_settings), (topic,), freshness=clocks.freshness
    )
    async with in_background(producer.supervise()):
        first = await producer.send(topic, KEY, b"first", [])
        proxy.forget()
        clocks.steady_ahead = STALE_SECONDS
        started = time.monotonic()
        sent = [await producer.send(topic, KEY, b"%d" % n, []) for n in range(3)]
        took = time.monotonic() - started

    assert took < SEND_SECONDS
    assert [place.offset for place in sent] == [first.offset + n for n in (1, 2, 3)]
    records = await everything_in(proxied_settings, topic, first.partition)
    assert [record.value for record in records] == [b"first", b"0", b"1", b"2"]


async def test_without_a_standstill_a_forgotten_connection_costs_one_deadline_and_no_record(
    proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    topic = proxied_settings.input_topic
    async with running_producer(proxied_settings) as producer:
        await producer.send(topic, KEY, b"first", [])
        proxy.forget()
        lost = await outcome(producer.send(topic, KEY, b"lost", []))
        after = await outcome(producer.send(topic, KEY, b"after", []))

    assert lost == "outcome-unknown"
    assert isinstance(after, Stored)


async def test_after_a_standstill_bounds_are_asked_on_a_new_connection(
    proxied_settings: KafkaSettings, proxy: Proxy, clocks: Clocks
) -> None:
    offsets = Offsets(lambda: reader(proxied_settings), clocks.freshness)
    try:
        await offsets.bounds(proxied_settings.input_topic, 0)
        proxy.forget()
        clocks.wall_ahead = STALE_SECONDS
        started = time.monotonic()
        bounds = await offsets.bounds(proxied_settings.input_topic, 0)
        took = time.monotonic() - started
    finally:
        await offsets.close()

    assert bounds.end == 0
    assert took < STANDING_SECONDS
