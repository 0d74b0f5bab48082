"""A broker of this test's own that is stopped, killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.broker import Broker
from streaming_runtime.core.model import Processor, Stream, new_stream_id
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.producer import Stored, SupervisedProducer
from streaming_runtime.kafka.topics import ensure_topics
from tests.kafka.parts import (
    everything_in,
    outcome,
    running_producer,
    running_registry,
)

KEY = b"a" * 22


@pytest.fixture
async def own_broker(tmp_path: Path) -> AsyncIterator[Broker]:
    broker = Broker(tmp_path)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


@pytest.mark.soak
async def test_a_broker_that_stands_still_and_one_that_is_killed_cost_no_acknowledged_record(
    own_broker: Broker,
) -> None:
    settings = KafkaSettings(own_broker.bootstrap, "plaintext", "own.", 2)
    await ensure_topics(settings)
    stream = Stream(new_stream_id(), "acme", Processor("identity"), "AAAAAAAA", 0, 0, 1_000)
    sent = Sent(settings.input_topic)

    async with running_producer(settings) as producer, running_registry(settings) as registry:
        await registry.put(stream)
        await sent.send(producer, b"first")

        # A frozen process goes on: all that waited is stored, and nothing was given up.
        with frozen(own_broker):
            sends = [asyncio.ensure_future(sent.send(producer, b"a%d" % n)) for n in range(10)]
            looking = asyncio.ensure_future(registry.get(new_stream_id()))
            await asyncio.sleep(1)
        await asyncio.gather(*sends)
        assert sorted(sent.stored) == list(range(11))
        assert await looking is None

        # A killed one comes back: what was acknowledged is there, what was refused is not.
        sends = []
        for number in range(300):
            if number == 100:
                own_broker.kill()
            sends.append(asyncio.ensure_future(sent.send(producer, b"b%d" % number)))
            await asyncio.sleep(0.001)
        await own_broker.wait()
        await own_broker.stop()
        await own_broker.start()
        await asyncio.gather(*sends)
        async with asyncio.timeout(10):
            while b"last" not in sent.stored.values():
                await sent.send(producer, b"last")
        partition = await producer.partition_for(settings.input_topic, KEY)
        assert await registry.get(stream.stream_id) == stream
        assert await registry.get(new_stream_id()) is None

    records = await everything_in(settings, settings.input_topic, partition)
    values = [record.value for record in records]
    assert {offset: values[offset] for offset in sent.stored} == sent.stored
    assert len(values) == len(set(values))
    assert not sent.refused & set(values)


class Sent:
    """What each send was told: where the record is, or that it is certainly nowhere."""

    def __init__(self, topic: str) -> None:
        self.stored: dict[int, bytes] = {}
        self.refused: set[bytes] = set()
        self._topic = topic

    async def send(self, producer: SupervisedProducer, value: bytes) -> None:
        result = await outcome(producer.send(self._topic, KEY, value, []))
        if isinstance(result, Stored):
            self.stored[result.offset] = value
        elif result == "broker-unavailable":
            self.refused.add(value)


@contextmanager
def frozen(broker: Broker) -> Iterator[None]:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)
