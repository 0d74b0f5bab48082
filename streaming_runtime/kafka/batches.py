"""One batch for each partition for each turn of the loop: 1.5 to 2 times single sends."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from streaming_runtime.core.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    RecordTooLarge,
    StreamingError,
)
from streaming_runtime.kafka.clients import SEND_SECONDS
from streaming_runtime.kafka.failures import REFUSALS, send_outcome

Headers = Sequence[tuple[str, bytes]]
Waiter = asyncio.Future[tuple[int, int]]


class Pending(NamedTuple):
    """A record that waits for this turn of the loop to end."""

    key: bytes
    value: bytes | None
    headers: Headers
    waiter: Waiter


class Batch:
    """The records of one partition that go to Kafka together, and who waits for them."""

    __slots__ = ("builder", "deadline", "has_entered", "task", "waiters")

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.deadline: asyncio.TimerHandle | None = None
        self.waiters: list[Waiter] = []
        # False until aiokafka has the batch: until then it is certainly not stored.
        self.has_entered = False
        self.task: asyncio.Task[None] | None = None


class BatchingProducer:
    """A started producer, fed in batches.

    ``doubt`` holds the reason once it must not be used again: a deadline passed, or a failure
    after which aiokafka neither bumps its epoch nor resets its sequences.
    """

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer
        self.doubt: str | None = None
        self._loop = asyncio.get_running_loop()
        self._turn: dict[tuple[str, int], list[Pending]] = defaultdict(list)
        self._batches: set[Batch] = set()
        self._is_flush_due = False

    def partition_for(self, topic: str, key: bytes) -> int:
        """Return the partition that Kafka's default partitioner gives a key.

        Raises:  BrokerUnavailable while the topic is not known.
        """
        partitions = self.producer.client.cluster.partitions_for_topic(topic)
        if not partitions:
            raise BrokerUnavailable
        return int(murmur2(key) & 0x7FFFFFFF) % len(partitions)

    def append(self, topic: str, key: bytes, value: bytes | None, headers: Headers) -> Waiter:
        """Add a record to this turn's batch; the future is its partition and offset."""
        if self.doubt is not None:
            raise BrokerUnavailable
        waiter: Waiter = self._loop.create_future()
        partition = self.partition_for(topic, key)
        self._turn[topic, partition].append(Pending(key, value, headers, waiter))
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)
        return waiter

    async def until_doubted(self, doubted: asyncio.Event) -> None:
        """Wait until the producer must be replaced: by our judgement, or because a part died."""
        waiting = asyncio.ensure_future(doubted.wait())
        parts = {self.producer._sender.sender_task, self.producer.client._sync_task}
        try:
            done, _ = await asyncio.wait(parts | {waiting}, return_when=asyncio.FIRST_COMPLETED)
            if self.doubt is None:
                self.doubt = "a task of the producer ended" if done - {waiting} else "asked to"
        finally:
            waiting.cancel()

    def give_up(self) -> None:
        """Answer everyone who still waits; what aiokafka never sent is certainly not stored."""
        self.doubt = self.doubt or "closed"
        if (sender := self.producer._sender.sender_task) is not None:
            sender.cancel()
        for pending in (p for turn in self._turn.values() for p in turn):
            _fail(pending.waiter, BrokerUnavailable())
        self._turn.clear()
        for batch in list(self._batches):
            self._fail_batch(batch)

    def _flush(self) -> None:
        self._is_flush_due = False
        turn, self._turn = self._turn, defaultdict(list)
        now_ms = int(time.time() * 1000)
        for (topic, partition), records in turn.items():
            batch = self._new_batch()
            for record in records:
                if not self._add(batch, record, now_ms):
                    self._submit(batch, topic, partition)
                    batch = self._new_batch()
                    if not self._add(batch, record, now_ms):
                        _fail(record.waiter, RecordTooLarge())
            self._submit(batch, topic, partition)

    def _new_batch(self) -> Batch:
        batch = Batch(self.producer.create_batch())
        batch.deadline = self._loop.call_later(SEND_SECONDS, self._expire, batch)
        return batch

    @staticmethod
    def _add(batch: Batch, record: Pending, now_ms: int) -> bool:
        added = batch.builder.append(
            timestamp=now_ms, key=record.key, value=record.value, headers=record.headers
        )
        if added is None:
            return False
        batch.waiters.append(record.waiter)
        return True

    def _submit(self, batch: Batch, topic: str, partition: int) -> None:
        if not batch.waiters:
            _cancel(batch.deadline)
            return
        self._batches.add(batch)
        batch.task = self._loop.create_task(self._deliver(batch, topic, partition))

    async def _deliver(self, batch: Batch, topic: str, partition: int) -> None:
        try:
            delivery = await self.producer.send_batch(batch.builder, topic, partition=partition)
            batch.has_entered = True
            stored = await delivery
        except KafkaError as exc:
            if not isinstance(exc, tuple(REFUSALS)):
                self.doubt = self.doubt or repr(exc)
            outcome = send_outcome(exc) if batch.has_entered else BrokerUnavailable()
            self._finish(batch, outcome)
            return
        except asyncio.CancelledError:
            self._fail_batch(batch)
            raise
        for index, waiter in enumerate(batch.waiters):
            if not waiter.done():
                waiter.set_result((partition, stored.offset + index))
        self._finish(batch, None)

    def _expire(self, batch: Batch) -> None:
        self.doubt = self.doubt or f"no answer from Kafka within {SEND_SECONDS} s"
        self._fail_batch(batch)

    def _fail_batch(self, batch: Batch) -> None:
        # An open builder has not been drained by the sender, which is cancelled before a retry.
        is_unsent = not batch.has_entered or not batch.builder.closed()
        self._finish(batch, BrokerUnavailable() if is_unsent else OutcomeUnknown())

    def _finish(self, batch: Batch, outcome: StreamingError | None) -> None:
        _cancel(batch.deadline)
        self._batches.discard(batch)
        if outcome is not None:
            for waiter in batch.waiters:
                _fail(waiter, outcome)
        if batch.task is not None and batch.task is not asyncio.current_task():
            batch.task.cancel()


def _fail(waiter: Waiter, outcome: StreamingError) -> None:
    if not waiter.done():
        waiter.set_exception(outcome)


def _cancel(deadline: asyncio.TimerHandle | None) -> None:
    if deadline is not None:
        deadline.cancel()
