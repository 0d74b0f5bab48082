"""The three outcomes of a send, and the producer after it, in each fault of the network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import backlog, batches
from streaming_runtime.kafka.clients import SEND_SECONDS
from streaming_runtime.kafka.producer import Stored, SupervisedProducer
from tests.kafka.parts import everything_in, other_tasks, outcome, running_producer
from tests.kafka.proxy import Proxy

KEY = b"a" * 22
# What a busy machine may add to a deadline.
SLACK_SECONDS = 1.0
RETURN_SECONDS = 5.0


@pytest.fixture
async def producer(proxied_settings: KafkaSettings) -> AsyncIterator[SupervisedProducer]:
    """Give a producer that has sent a record, and check that nothing of it is left."""
    before = other_tasks()
    async with running_producer(proxied_settings) as producer:
        assert await send(producer, proxied_settings, b"first")
        yield producer
    await asyncio.sleep(0)
    left = {task for task in other_tasks() - before if "proxy" not in repr(task)}
    assert not left


async def send(producer: SupervisedProducer, settings: KafkaSettings, value: bytes) -> Stored | str:
    """Return a send's outcome, which must come within the deadline."""
    started = time.monotonic()
    result = await outcome(producer.send(settings.input_topic, KEY, value, []))
    assert time.monotonic() - started < SEND_SECONDS + SLACK_SECONDS
    return result


async def returns(producer: SupervisedProducer, settings: KafkaSettings) -> Stored:
    """Return where the first send is that succeeds again."""
    async with asyncio.timeout(RETURN_SECONDS):
        while True:
            result = await send(producer, settings, b"again")
            if isinstance(result, Stored):
                return result


async def values(settings: KafkaSettings, place: Stored) -> list[bytes | None]:
    records = await everything_in(settings, settings.input_topic, place.partition)
    return [record.value for record in records]


@pytest.fixture
def short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the tests that prove no more by waiting for all of the 3 s."""
    for module in (batches, backlog):
        monkeypatch.setattr(module, "SEND_SECONDS", 1.0)


async def test_without_answers_a_send_is_unknown_and_may_be_stored(
    producer: SupervisedProducer, proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    proxy.switch("deaf")
    started = time.monotonic()
    result = await send(producer, proxied_settings, b"left")
    waited = time.monotonic() - started
    proxy.switch("pass")
    place = await returns(producer, proxied_settings)

    assert result == "outcome-unknown"
    assert waited >= SEND_SECONDS == 3
    assert await values(proxied_settings, place) == [b"first", b"left", b"again"]


@pytest.mark.usefixtures("short_deadline")
async def test_what_waited_behind_a_send_without_answer_is_certainly_not_stored(
    producer: SupervisedProducer, proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    proxy.switch("hole")
    left = asyncio.ensure_future(send(producer, proxied_settings, b"left"))
    await asyncio.sleep(0.2)
    behind = asyncio.ensure_future(send(producer, proxied_settings, b"behind"))
    outcomes = [await left, await behind]
    without = await send(producer, proxied_settings, b"without a producer")
    proxy.switch("pass")
    place = await returns(producer, proxied_settings)

    assert outcomes == ["outcome-unknown", "broker-unavailable"]
    assert without == "broker-unavailable"
    assert await values(proxied_settings, place) == [b"first", b"again"]


@pytest.mark.usefixtures("short_deadline")
async def test_a_broker_that_is_gone_is_told_within_the_deadline_and_found_again(
    producer: SupervisedProducer, proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    await proxy.refuse()
    first = await send(producer, proxied_settings, b"to nobody")
    second = await send(producer, proxied_settings, b"without a producer")
    await proxy.open()
    place = await returns(producer, proxied_settings)

    # Neither had a connection on which it could have left.
    assert (first, second) == ("broker-unavailable", "broker-unavailable")
    assert await values(proxied_settings, place) == [b"first", b"again"]


async def test_a_reset_connection_costs_a_send_nothing(
    producer: SupervisedProducer, proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    proxy.switch("deaf")
    sending = asyncio.ensure_future(send(producer, proxied_settings, b"twice sent"))
    await asyncio.sleep(0.2)
    proxy.reset()
    proxy.switch("pass")
    place = await sending

    assert isinstance(place, Stored)
    assert await values(proxied_settings, place) == [b"first", b"twice sent"]


async def test_a_broker_that_stands_still_for_a_moment_costs_only_that_moment(
    producer: SupervisedProducer, proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    current = producer._current
    proxy.switch("hold")
    sends = [
        asyncio.ensure_future(send(producer, proxied_settings, b"%d" % number))
        for number in range(50)
    ]
    await asyncio.sleep(1)
    proxy.switch("pass")
    places = await asyncio.gather(*sends)

    assert [place.offset for place in places if isinstance(place, Stored)] == list(range(1, 51))
    assert producer._current is current


async def test_ending_while_nothing_answers_takes_no_longer_than_a_hard_close(
    proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    async with running_producer(proxied_settings) as producer:
        await send(producer, proxied_settings, b"first")
        proxy.switch("hole")
        large = b"x" * (256 << 10)
        sends = [asyncio.ensure_future(send(producer, proxied_settings, large)) for _ in range(40)]
        await asyncio.sleep(0.2)
        started = time.monotonic()

    assert time.monotonic() - started < 2
    outcomes = await asyncio.gather(*sends)
    assert outcomes[0] == "outcome-unknown"
    assert outcomes[-1] == "broker-unavailable"
