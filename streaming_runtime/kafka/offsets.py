"""The bounds of partitions, asked for by many at once and from Kafka once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.ports import Bounds
from streaming_runtime.kafka.clients import CALL_SECONDS, STOP_SECONDS
from streaming_runtime.kafka.freshness import Freshness
from streaming_runtime.kafka.internals import start, stop_consumer

Waiters = list[asyncio.Future[Bounds]]

BOUNDS_SECONDS = 2 * CALL_SECONDS
# A connection may have died unseen: a short try on the one that stands leaves time for a new one.
STANDING_SECONDS = CALL_SECONDS / 2
NEW_SECONDS = BOUNDS_SECONDS - STANDING_SECONDS
UNREADABLE = "Kafka cannot be read now"


class Offsets:
    """Asks for the earliest and the end offset of partitions.

    It has a connection of its own: behind a fetch's long poll an answer would wait for the poll.
    Who asks while a call is under way is served by the next one, so an answer is never older than
    its question.
    """

    def __init__(
        self, make: Callable[[], AIOKafkaConsumer], freshness: Freshness | None = None
    ) -> None:
        self._freshness = freshness or Freshness()
        self._connected_at = 0
        self._make = make
        self._consumer: AIOKafkaConsumer | None = None
        self._asked: dict[TopicPartition, Waiters] = {}
        self._call: asyncio.Task[None] | None = None
        self._stopping: set[asyncio.Task[None]] = set()

    async def bounds(self, topic: str, partition: int) -> Bounds:
        """Return what exists of a partition now.

        Raises:  BrokerUnavailable within BOUNDS_SECONDS, also if there is no such partition.
        """
        waiter: asyncio.Future[Bounds] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(TopicPartition(topic, partition), []).append(waiter)
        if self._call is None:
            self._call = asyncio.ensure_future(self._answer_all())
        try:
            async with asyncio.timeout(BOUNDS_SECONDS):
                return await waiter
        except TimeoutError:
            raise BrokerUnavailable(UNREADABLE) from None

    async def close(self) -> None:
        if self._call is not None:
            self._call.cancel()
            await asyncio.wait({self._call}, timeout=STOP_SECONDS)
        self._drop()
        if self._stopping:
            await asyncio.wait(self._stopping, timeout=3 * STOP_SECONDS)

    async def _answer_all(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                await self._answer(asked)
        finally:
            self._call = None

    async def _answer(self, asked: dict[TopicPartition, Waiters]) -> None:
        bounds: dict[TopicPartition, Bounds] = {}
        try:
            bounds = await self._ask_twice(list(asked))
        except (KafkaError, OSError, TimeoutError):
            pass  # Those who asked are told; why, aiokafka has logged.
        finally:
            for partition, waiters in asked.items():
                for waiter in waiters:
                    _answer(waiter, bounds.get(partition))

    async def _ask_twice(self, partitions: list[TopicPartition]) -> dict[TopicPartition, Bounds]:
        standstills = self._freshness.count()
        if self._consumer is not None and standstills != self._connected_at:
            self._drop()
        if self._consumer is not None:
            try:
                async with asyncio.timeout(STANDING_SECONDS):
                    return await self._ask(self._consumer, partitions)
            except (KafkaError, OSError, TimeoutError):
                self._drop()
        try:
            async with asyncio.timeout(NEW_SECONDS):
                self._consumer, self._connected_at = self._make(), standstills
                await start(self._consumer)
                return await self._ask(self._consumer, partitions)
        except BaseException:
            self._drop()
            raise

    async def _ask(
        self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]
    ) -> dict[TopicPartition, Bounds]:
        # One partition that does not exist would make the question fail for all.
        known = [p for p in partitions if _may_exist(consumer, p)]
        ends, earliest = await asyncio.gather(
            consumer.end_offsets(known), consumer.beginning_offsets(known)
        )
        return {p: Bounds(earliest[p], max(earliest[p], ends[p])) for p in known}

    def _drop(self) -> None:
        """Stop the consumer in the background: a new one need not wait for that."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            stopping = asyncio.ensure_future(stop_consumer(consumer))
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)


def _may_exist(consumer: AIOKafkaConsumer, partition: TopicPartition) -> bool:
    """Return False for a partition that the topic, as known now, does not have."""
    numbers = consumer.partitions_for_topic(partition.topic)
    return numbers is None or partition.partition in numbers


def _answer(waiter: asyncio.Future[Bounds], bounds: Bounds | None) -> None:
    if waiter.done():
        return
    if bounds is None:
        waiter.set_exception(BrokerUnavailable(UNREADABLE))
    else:
        waiter.set_result(bounds)
