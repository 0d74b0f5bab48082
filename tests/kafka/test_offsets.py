"""Bounds of partitions: never older than the question, and in time whatever Kafka does."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka import AIOKafkaConsumer

from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.ports import Bounds
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.offsets import BOUNDS_SECONDS, Offsets
from tests.kafka.parts import asking_offsets, other_tasks, plain_producer, reader
from tests.kafka.proxy import Proxy


async def test_bounds_are_what_exists_now(settings: KafkaSettings) -> None:
    topic = settings.results_topic
    async with asking_offsets(settings) as offsets, plain_producer(settings) as producer:
        empty = await offsets.bounds(topic, 1)
        for _ in range(3):
            await producer.send_and_wait(topic, b"1", partition=1)

        assert empty == Bounds(0, 0)
        assert await offsets.bounds(topic, 1) == Bounds(0, 3)
        assert await offsets.bounds(topic, 0) == Bounds(0, 0)


async def test_an_answer_is_never_older_than_its_question(settings: KafkaSettings) -> None:
    topic = settings.results_topic

    async def ask_after(stored: int) -> None:
        assert (await offsets.bounds(topic, 0)).end > stored

    async with asking_offsets(settings) as offsets, plain_producer(settings) as producer:
        asking = []
        for _ in range(100):
            stored = await producer.send_and_wait(topic, b"1", partition=0)
            asking += [asyncio.ensure_future(ask_after(stored.offset)) for _ in range(5)]
        await asyncio.gather(*asking)


async def test_many_who_ask_at_once_cost_two_calls(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    ask = AIOKafkaConsumer.end_offsets

    async def counted(consumer: AIOKafkaConsumer, partitions: object) -> object:
        nonlocal calls
        calls += 1
        return await ask(consumer, partitions)

    monkeypatch.setattr(AIOKafkaConsumer, "end_offsets", counted)
    async with asking_offsets(settings) as offsets:
        first = asyncio.ensure_future(offsets.bounds(settings.results_topic, 0))
        await asyncio.sleep(0)
        await asyncio.gather(
            first, *(offsets.bounds(settings.results_topic, n % 3) for n in range(500))
        )

    assert calls == 2


async def test_a_partition_that_does_not_exist_fails_alone(settings: KafkaSettings) -> None:
    topic = settings.results_topic
    async with asking_offsets(settings) as offsets:
        await offsets.bounds(topic, 0)

        missing, there = await asyncio.gather(
            offsets.bounds(topic, 99), offsets.bounds(topic, 0), return_exceptions=True
        )

    assert isinstance(missing, BrokerUnavailable)
    assert there == Bounds(0, 0)


async def test_a_connection_that_died_unseen_costs_time_and_no_answer(
    proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    async with asking_offsets(proxied_settings) as offsets:
        await offsets.bounds(proxied_settings.results_topic, 0)
        proxy.switch("deaf")
        asking = asyncio.ensure_future(offsets.bounds(proxied_settings.results_topic, 0))
        await asyncio.sleep(0.1)
        proxy.switch("pass")  # For new connections; the answer to the old one is lost for good.

        async with asyncio.timeout(BOUNDS_SECONDS):
            assert await asking == Bounds(0, 0)


async def test_a_reset_connection_is_made_again(
    proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    async with asking_offsets(proxied_settings) as offsets:
        await offsets.bounds(proxied_settings.results_topic, 0)
        proxy.reset()

        assert await offsets.bounds(proxied_settings.results_topic, 0) == Bounds(0, 0)


async def test_without_any_answer_who_asks_is_told_in_time_and_nothing_is_left(
    proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    before = other_tasks()
    async with asking_offsets(proxied_settings) as offsets:
        await offsets.bounds(proxied_settings.results_topic, 0)
        proxy.switch("hole")
        started = time.monotonic()

        with pytest.raises(BrokerUnavailable):
            await offsets.bounds(proxied_settings.results_topic, 0)

        assert time.monotonic() - started < BOUNDS_SECONDS + 1
    await asyncio.sleep(0)
    assert not {task for task in other_tasks() - before if "proxy" not in repr(task)}


async def test_what_cannot_even_be_reached_is_told_at_once() -> None:
    unreachable = KafkaSettings("127.0.0.1:1", "plaintext", "t.", 1)
    async with asking_offsets(unreachable) as offsets:
        with pytest.raises(BrokerUnavailable):
            async with asyncio.timeout(2):
                await offsets.bounds("t.results", 0)


async def test_a_fault_of_ours_leaves_nobody_waiting(settings: KafkaSettings) -> None:
    def broken() -> AIOKafkaConsumer:
        raise TimeoutError

    offsets = Offsets(broken)

    with pytest.raises(BrokerUnavailable):
        await offsets.bounds(settings.results_topic, 0)
    await offsets.close()


async def test_closing_while_a_question_is_open_answers_it(
    proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    proxy.switch("hold")
    offsets = Offsets(lambda: reader(proxied_settings))
    asking = asyncio.ensure_future(offsets.bounds(proxied_settings.results_topic, 0))
    await asyncio.sleep(0.1)

    await offsets.close()

    with pytest.raises(BrokerUnavailable):
        await asking
