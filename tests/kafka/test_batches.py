"""How records become batches, over a real producer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from streaming_runtime.core.errors import BrokerUnavailable, OutcomeUnknown, StreamingError
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.batch import Pending
from streaming_runtime.kafka.batches import BatchingProducer
from streaming_runtime.kafka.doors import Doors
from streaming_runtime.kafka.internals import ProducerInternals
from streaming_runtime.kafka.load import Load
from tests.kafka.proxy import Proxy

KEY = b"a" * 22


class Fed:
    """A batching producer with all that it tells: its batches and its doubts."""

    def __init__(self, internals: ProducerInternals, topic: str) -> None:
        self.load = Load()
        self.doubts: list[str] = []
        self.batches = 0
        self.producer = BatchingProducer(internals, self.load, Doors(), self.doubts.append)
        self.topic = topic
        self._enter = internals.enter
        internals.enter = self._counted  # type: ignore[method-assign]

    def append(self, value: bytes, key: bytes = KEY) -> asyncio.Future[tuple[int, int]]:
        self.load.take(len(value))
        waiter: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self.producer.append(Pending(self.topic, key, value, [], len(value), waiter))
        return waiter

    def partition_of(self, key: bytes) -> int:
        return self.producer.place_of(self.topic, key)[1]

    def _counted(self, topic: str, partition: int, linger_seconds: float = 0.0) -> tuple[Any, Any]:
        self.batches += 1
        return self._enter(topic, partition, linger_seconds)


@pytest.fixture
async def fed(proxied_settings: KafkaSettings) -> AsyncIterator[Fed]:
    internals = ProducerInternals(clients.producer(proxied_settings))
    await internals.producer.start()
    await internals.producer.partitions_for(proxied_settings.input_topic)
    fed = Fed(internals, proxied_settings.input_topic)
    await fed.append(b"first")
    yield fed
    fed.producer.give_up("the test is over")
    await internals.hard_close()


async def outcomes(waiters: list[asyncio.Future[tuple[int, int]]]) -> list[object]:
    found = await asyncio.gather(*waiters, return_exceptions=True)
    return [each.code if isinstance(each, StreamingError) else each for each in found]


async def test_the_records_of_one_turn_are_one_batch_a_partition(
    fed: Fed, proxied_settings: KafkaSettings
) -> None:
    before = fed.batches
    keys = [b"%022d" % number for number in range(100)]

    stored = await asyncio.gather(*(fed.append(b"1", key) for key in keys))

    assert {partition for partition, _ in stored} == {0, 1, 2}
    assert fed.batches - before == proxied_settings.partitions


async def test_what_comes_while_a_batch_is_under_way_is_one_batch_behind_it(
    fed: Fed, proxy: Proxy
) -> None:
    before = fed.batches
    proxy.switch("hold")
    waiters = [fed.append(b"under way")]
    await asyncio.sleep(0.1)
    for number in range(200):
        waiters.append(fed.append(b"%d" % number))
        await asyncio.sleep(0)
    proxy.switch("pass")
    stored = await asyncio.gather(*waiters)

    assert fed.batches - before == 2
    assert [offset for _, offset in stored] == list(range(1, 202))


async def test_giving_up_tells_what_has_left_from_what_has_not(fed: Fed, proxy: Proxy) -> None:
    proxy.switch("hold")
    waiters = [fed.append(b"left")]
    await asyncio.sleep(0.1)
    waiters.append(fed.append(b"behind"))

    fed.producer.give_up("a test")
    fed.producer.give_up("again")

    assert await outcomes(waiters) == ["outcome-unknown", "broker-unavailable"]
    assert (fed.load.records, fed.load.bytes) == (0, 0)
    assert fed.producer.doubt == "a test"


async def test_in_doubt_nothing_more_is_taken(fed: Fed) -> None:
    fed.producer.give_up("a test")

    with pytest.raises(BrokerUnavailable):
        fed.append(b"1")


async def test_a_topic_that_is_not_known_takes_nothing_and_costs_nothing(fed: Fed) -> None:
    with pytest.raises(BrokerUnavailable):
        fed.producer.place_of("unheard-of", KEY)

    assert fed.producer.doubt is None
    await fed.append(b"1")


async def test_a_deadline_that_passes_puts_its_own_partition_in_doubt_and_no_other(
    fed: Fed, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming_runtime.kafka.batches.SEND_SECONDS", 0.2)
    proxy.switch("hole")

    topic, number = fed.producer.place_of(fed.topic, KEY)
    others = (key for key in (b"%022d" % n for n in range(50)) if fed.partition_of(key) != number)
    found = await outcomes([fed.append(b"1"), fed.append(b"2")])
    proxy.reset()
    proxy.switch("pass")

    assert found == ["outcome-unknown", "outcome-unknown"]
    assert fed.doubts == [f"{topic}-{number}: no answer from Kafka within 0.2 s"]
    assert fed.producer.doubt is None
    with pytest.raises(BrokerUnavailable):
        fed.append(b"3")
    monkeypatch.undo()
    await fed.append(b"4", next(others))


async def test_stored_at_a_place_the_broker_forgot_is_unknown_and_no_doubt(
    fed: Fed, proxy: Proxy
) -> None:
    proxy.switch("hold")
    waiter = fed.append(b"1")
    (batch,) = fed.producer._batches
    forgotten: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    forgotten.set_result(SimpleNamespace(offset=-1))

    fed.producer._settle(batch, forgotten)

    with pytest.raises(OutcomeUnknown):
        await waiter
    assert fed.producer.doubt is None
