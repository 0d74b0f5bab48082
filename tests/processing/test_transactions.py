"""Transactions that dead owners of partitions left open, on a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.processing import clients, transactions
from streaming_runtime.processing.transactions import OpenTransactions, new_owner
from tests.eventually import eventually
from tests.processing.traffic import Traffic, headers_of

MINUTE_MS = 60_000


def open_transaction(settings: KafkaSettings, owner: str) -> Producer:
    """Return a producer with a result in a transaction that would stay open for a minute."""
    producer = Producer(
        {
            **clients.connection(settings),
            "transactional.id": owner,
            "transaction.timeout.ms": MINUTE_MS,
        }
    )
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(settings.results_topic, b"open", partition=0, headers=[("source", b"0-0")])
    producer.flush(20)
    return producer


@contextmanager
def member(settings: KafkaSettings, client_id: str) -> Iterator[Any]:
    """Give a consumer of the group that has the partitions."""
    options = clients.consumer_options(settings, client_id)
    consumer = Consumer(
        {**options, "group.id": clients.group(settings), "enable.auto.commit": False}
    )
    consumer.subscribe([settings.input_topic])
    yield consumer
    consumer.close()


async def claimed(settings: KafkaSettings, owner: str, consumer: Any) -> None:
    """Have a member with this name claim the partitions it gets."""

    def has_partitions() -> bool:
        consumer.poll(0.05)
        return len(consumer.assignment()) == settings.partitions

    await eventually(has_partitions, 20)
    open_ones = OpenTransactions(settings, clients.admin(settings), owner)
    open_ones.claim(consumer, consumer.committed(consumer.assignment(), timeout=10))


def partitions(settings: KafkaSettings) -> list[TopicPartition]:
    return [TopicPartition(settings.input_topic, p) for p in range(settings.partitions)]


async def test_what_a_dead_owner_left_open_is_ended_at_once_and_holds_no_reader_back(
    traffic: Traffic,
) -> None:
    settings = traffic.settings
    dead, heir = new_owner(settings), new_owner(settings)
    producer = open_transaction(settings, dead)
    with member(settings, dead) as consumer:
        await claimed(settings, dead, consumer)
    after = Producer(clients.connection(settings))
    after.produce(settings.results_topic, b"after", partition=0, headers=[("source", b"0-1")])
    after.flush(20)

    open_ones = OpenTransactions(settings, clients.admin(settings), heir)
    await asyncio.to_thread(open_ones.end, partitions(settings))

    (result,) = await traffic.read(settings.results_topic, bool, seconds=10)
    assert result.value == b"after"
    assert headers_of(result)["source"] == b"0-1"
    with pytest.raises(KafkaException):
        producer.commit_transaction(10)


async def test_what_a_living_owner_has_open_is_left_alone(traffic: Traffic) -> None:
    settings = traffic.settings
    living, other = new_owner(settings), new_owner(settings)
    producer = open_transaction(settings, living)

    with member(settings, living) as consumer:
        await claimed(settings, living, consumer)
        open_ones = OpenTransactions(settings, clients.admin(settings), other)
        await asyncio.to_thread(open_ones.end, partitions(settings))

    producer.commit_transaction(10)
    (result,) = await traffic.read(settings.results_topic, bool, seconds=10)
    assert result.value == b"open"


async def test_without_a_broker_it_goes_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "ASK_SECONDS", 0.5)
    settings = KafkaSettings("127.0.0.1:1", "plaintext", "t.", 1)
    open_ones = OpenTransactions(settings, clients.admin(settings), "t.processing-me")

    await asyncio.to_thread(open_ones.end, partitions(settings))

    assert "may have left open" in caplog.text
