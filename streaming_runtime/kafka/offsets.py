"""The bounds of partitions, asked for by many at once and from Kafka once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition

from streaming_runtime.core.errors import BrokerUnavailable, translated
from streaming_runtime.core.ports import Bounds
from streaming_runtime.kafka.clients import CALL_SECONDS, START_SECONDS, STOP_SECONDS
from streaming_runtime.kafka.failures import READ_FAILURES

Waiters = list[asyncio.Future[Bounds]]


class Offsets:
    """Asks for the earliest and the end offset of partitions.

    It has a connection of its own: behind a fetch's long poll an answer would wait for the poll.
    Who asks while a call is under way is served by the next one, so an answer is never older than
    its question.
    """

    def __init__(self, make: Callable[[], AIOKafkaConsumer]) -> None:
        self._make = make
        self._consumer: AIOKafkaConsumer | None = None
        self._asked: dict[TopicPartition, Waiters] = {}
        self._call: asyncio.Task[None] | None = None

    async def bounds(self, topic: str, partition: int) -> Bounds:
        """Return what exists of a partition now.

        Raises:  BrokerUnavailable within 6 s.
        """
        waiter: asyncio.Future[Bounds] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(TopicPartition(topic, partition), []).append(waiter)
        if self._call is None:
            self._call = asyncio.ensure_future(self._answer_all())
        return await waiter

    async def close(self) -> None:
        if self._call is not None:
            self._call.cancel()
            await asyncio.wait({self._call}, timeout=STOP_SECONDS)
        await self._drop()

    async def _answer_all(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                await self._answer(asked)
        finally:
            self._call = None

    async def _answer(self, asked: dict[TopicPartition, Waiters]) -> None:
        try:
            with translated(READ_FAILURES):
                bounds = await self._ask(list(asked))
        except (BrokerUnavailable, asyncio.CancelledError) as exc:
            for waiter in (w for waiters in asked.values() for w in waiters):
                if not waiter.done():
                    waiter.set_exception(BrokerUnavailable("Kafka cannot be read now"))
            if isinstance(exc, asyncio.CancelledError):
                raise
            await self._drop()
            return
        for partition, waiters in asked.items():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(bounds[partition])

    async def _ask(self, partitions: list[TopicPartition]) -> dict[TopicPartition, Bounds]:
        if self._consumer is None:
            self._consumer = self._make()
            async with asyncio.timeout(START_SECONDS):
                await self._consumer.start()
        async with asyncio.timeout(CALL_SECONDS):
            # The end first: an earliest above it would otherwise be possible between the two.
            ends = await self._consumer.end_offsets(partitions)
            earliest = await self._consumer.beginning_offsets(partitions)
        return {p: Bounds(earliest[p], max(earliest[p], ends[p])) for p in partitions}

    async def _drop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_consumer(consumer)


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer within 4 s, whatever the brokers do."""
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.wait({stopping}, timeout=STOP_SECONDS)
    if not stopping.done():
        stopping.cancel()
        await asyncio.wait({stopping}, timeout=STOP_SECONDS)
    if stopping.done() and not stopping.cancelled():
        stopping.exception()
