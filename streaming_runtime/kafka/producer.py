"""The producer that the rest never sees die: supervised, bounded, with a deadline on every send."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streaming_runtime.core.errors import BrokerUnavailable, Overloaded
from streaming_runtime.kafka.batches import BatchingProducer, Headers
from streaming_runtime.kafka.clients import SEND_SECONDS, START_SECONDS, STOP_SECONDS

log = logging.getLogger("millrace.kafka.producer")

MAX_RECORDS_IN_FLIGHT = 20_000
MAX_BYTES_IN_FLIGHT = 64 << 20
FIRST_RETRY_SECONDS = 0.1
MAX_RETRY_SECONDS = 2.0


class Stored(NamedTuple):
    """Where Kafka put a record."""

    partition: int
    offset: int


class SupervisedProducer:
    """Owns one idempotent producer at a time and replaces it when it can no longer be trusted.

    Three outcomes for a send: stored; certainly not stored (BrokerUnavailable, Overloaded,
    RecordTooLarge); unknown (OutcomeUnknown). Each comes within SEND_SECONDS, whatever Kafka does.
    """

    def __init__(self, make: Callable[[], AIOKafkaProducer], topics: Sequence[str]) -> None:
        self._make = make
        self._topics = topics
        self._current: BatchingProducer | None = None
        self._is_current = asyncio.Event()
        self._doubted = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self._records = 0
        self._bytes = 0

    @property
    def is_ready(self) -> bool:
        return self._current is not None

    async def supervise(self) -> None:
        """Keep a producer alive until cancelled; raises only on a fault of ours."""
        try:
            while True:
                producer = await self._started()
                self._doubted.clear()
                self._current = producer
                self._is_current.set()
                await producer.until_doubted(self._doubted)
                log.warning("producer replaced", extra={"reason": producer.doubt})
                self._retire()
        finally:
            self._retire()
            if self._closing:
                await asyncio.wait(self._closing, timeout=2 * STOP_SECONDS + 1)

    async def send(self, topic: str, key: bytes, value: bytes | None, headers: Headers) -> Stored:
        """Append one record and wait until all in-sync replicas have it.

        Raises:  BrokerUnavailable, Overloaded, RecordTooLarge (not stored), OutcomeUnknown.
        """
        size = len(key) + len(value or b"")
        if self._records >= MAX_RECORDS_IN_FLIGHT or self._bytes + size > MAX_BYTES_IN_FLIGHT:
            raise Overloaded
        self._records += 1
        self._bytes += size
        try:
            producer = self._current or await self._awaited()
            partition, offset = await producer.append(topic, key, value, headers)
            return Stored(partition, offset)
        finally:
            self._records -= 1
            self._bytes -= size
            # At once, and not by the supervisor's next turn: who sends next waits for a new one.
            if self._current is not None and self._current.doubt:
                self._doubted.set()
                self._retire()

    async def partition_for(self, topic: str, key: bytes) -> int:
        """Return the partition of a key, by Kafka's default partitioner."""
        return (self._current or await self._awaited()).partition_for(topic, key)

    async def _awaited(self) -> BatchingProducer:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._is_current.wait()
        except TimeoutError:
            raise BrokerUnavailable from None
        assert self._current is not None
        return self._current

    async def _started(self) -> BatchingProducer:
        delay = FIRST_RETRY_SECONDS
        while True:
            producer = self._make()
            try:
                async with asyncio.timeout(START_SECONDS):
                    await producer.start()
                    for topic in self._topics:
                        await producer.partitions_for(topic)
            except (KafkaError, TimeoutError, OSError) as exc:
                await hard_close(producer)
                log.warning("Kafka cannot be reached", extra={"reason": repr(exc)})
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))
                delay = min(2 * delay, MAX_RETRY_SECONDS)
            except asyncio.CancelledError:
                await hard_close(producer)
                raise
            else:
                return BatchingProducer(producer)

    def _retire(self) -> None:
        self._is_current.clear()
        retired, self._current = self._current, None
        if retired is not None:
            retired.give_up()
            closing = asyncio.ensure_future(hard_close(retired.producer))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


async def hard_close(producer: AIOKafkaProducer) -> None:
    """Close a producer within 6 s, whatever the brokers do, without sending what it still holds.

    ``stop()`` waits for ever on an idempotent batch that cannot be delivered, and its second call
    returns at once and leaks the sender, so the sender is cancelled first.

    Source:  aiokafka 0.14, producer.stop and Sender.close; private names, pinned version.
    """
    sender = producer._sender.sender_task
    if sender is not None and not sender.done():
        sender.cancel()
        await asyncio.wait({sender}, timeout=STOP_SECONDS)
    producer._closed = True
    closing = asyncio.ensure_future(producer.client.close())
    await asyncio.wait({closing}, timeout=STOP_SECONDS)
    if not closing.done():
        closing.cancel()
        await asyncio.wait({closing}, timeout=STOP_SECONDS)
    if closing.done():
        with suppress(KafkaError, OSError, asyncio.CancelledError):
            closing.result()
