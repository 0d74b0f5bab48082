"""One batch for each partition, filled until it leaves: 1.5 to 2 times single sends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

from aiokafka.partitioner import murmur2

from streaming_runtime.core.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    RecordTooLarge,
    StreamingError,
)
from streaming_runtime.kafka.clients import MAX_BATCH_BYTES, SEND_SECONDS
from streaming_runtime.kafka.failures import send_outcome
from streaming_runtime.kafka.internals import ProducerInternals
from streaming_runtime.kafka.load import Load
from streaming_runtime.kafka.pace import Pace

Headers = Sequence[tuple[str, bytes]]
Place = tuple[str, int]

# What a batch has before its first record, rounded up.
BATCH_OVERHEAD = 128
HASHED_KEYS = 16_384
REQUESTS_APART_SECONDS = 0.003


class Pending(NamedTuple):
    """A record that the load has counted; ``waiter`` gets its partition and offset."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers
    size: int
    waiter: asyncio.Future[tuple[int, int]]

    def fail(self, outcome: StreamingError) -> None:
        if not self.waiter.done():
            self.waiter.set_exception(outcome)


class Batch:
    """The records of one partition that go to Kafka together."""

    __slots__ = ("_builder", "bytes", "deadline", "entry", "place", "records")

    def __init__(self, place: Place, builder: Any, entry: Any) -> None:
        self.place = place
        self.entry = entry
        self.records: list[Pending] = []
        self.bytes = 0
        self.deadline: asyncio.TimerHandle | None = None
        self._builder = builder

    @property
    def has_left(self) -> bool:
        """False as long as aiokafka has not begun to send it: until then it is not stored."""
        return bool(self.entry.retry_count)

    def add(self, record: Pending) -> bool:
        """Add a record; False if the batch is full or has left.

        One that came after the sequence numbers were given out would break them.
        """
        if self.has_left or not self._append(record):
            return False
        self.records.append(record)
        self.bytes += record.size
        return True

    def _append(self, record: Pending) -> bool:
        now_ms = int(time.time() * 1000)
        added = self._builder.append(
            timestamp=now_ms, key=record.key, value=record.value, headers=record.headers
        )
        return added is not None


class BatchingProducer:
    """A started producer, fed in batches; records of a partition are stored in the order of calls.

    aiokafka sends one batch of a partition at a time, in the order in which they entered, also
    when one is sent again. What comes while a batch is under way goes into the one behind it.

    ``doubt`` holds the reason once it must not be used again: a deadline passed, or a batch failed,
    whose sequence numbers aiokafka neither takes back nor resets.
    """

    def __init__(
        self, internals: ProducerInternals, load: Load, on_doubt: Callable[[str], None]
    ) -> None:
        self.internals = internals
        self.doubt: str | None = None
        self._load = load
        self._on_doubt = on_doubt
        self._loop = asyncio.get_running_loop()
        self._pace = Pace(REQUESTS_APART_SECONDS)
        self._last: dict[Place, Batch] = {}
        self._batches: set[Batch] = set()

    def partition_for(self, topic: str, key: bytes) -> int:
        """Return the partition that Kafka's default partitioner gives a key.

        Raises:  BrokerUnavailable while the topic is not known.
        """
        partitions = self.internals.partitions(topic)
        if not partitions:
            raise BrokerUnavailable
        return _hash(key) % partitions

    def append(self, record: Pending) -> None:
        """Add a record to the batch that leaves next.

        Raises:  BrokerUnavailable; RecordTooLarge.
        """
        if record.size > MAX_BATCH_BYTES - BATCH_OVERHEAD:
            # Refused by the broker it would cost the producer, and all that is behind it.
            raise RecordTooLarge
        if self.doubt is not None:
            raise BrokerUnavailable
        place = (record.topic, self.partition_for(record.topic, record.key))
        batch = self._last.get(place)
        if batch is None or not batch.add(record):
            self._enter(place).add(record)

    def give_up(self, reason: str) -> None:
        """Answer everyone who still waits; what has not left never will."""
        self.doubt = self.doubt or reason
        self.internals.stop_sending()
        for batch in list(self._batches):
            self._fail(batch, OutcomeUnknown() if batch.has_left else BrokerUnavailable())

    def _enter(self, place: Place) -> Batch:
        linger = self._pace.wait(time.monotonic())
        batch = Batch(place, *self.internals.enter(*place, linger))
        batch.deadline = self._loop.call_later(SEND_SECONDS, self._expire)
        batch.entry.future.add_done_callback(partial(self._settle, batch))
        self._last[place] = batch
        self._batches.add(batch)
        return batch

    def _expire(self) -> None:
        self._lose_trust(f"no answer from Kafka within {SEND_SECONDS} s")

    def _settle(self, batch: Batch, delivery: asyncio.Future[Any]) -> None:
        failure = delivery.exception()
        if failure is not None:
            self._fail(batch, send_outcome(failure, batch.entry.retry_count))
            self._lose_trust(repr(failure))
        elif delivery.result() is None or delivery.result().offset < 0:
            # Stored before, says the broker, but it no longer knows where.
            self._fail(batch, OutcomeUnknown())
        elif self._finish(batch):
            for offset, record in enumerate(batch.records, delivery.result().offset):
                if not record.waiter.done():
                    record.waiter.set_result((batch.place[1], offset))

    def _lose_trust(self, reason: str) -> None:
        if self.doubt is None:
            self.give_up(reason)
            self._on_doubt(reason)

    def _fail(self, batch: Batch, outcome: StreamingError) -> None:
        if self._finish(batch):
            for record in batch.records:
                record.fail(outcome)

    def _finish(self, batch: Batch) -> bool:
        """Forget a batch; False if that was done before."""
        if batch not in self._batches:
            return False
        self._batches.discard(batch)
        if self._last.get(batch.place) is batch:
            del self._last[batch.place]
        if batch.deadline is not None:
            batch.deadline.cancel()
        self._load.release(len(batch.records), batch.bytes)
        return True


@lru_cache(maxsize=HASHED_KEYS)
def _hash(key: bytes) -> int:
    """Return Kafka's hash of a key; aiokafka's is in Python and a quarter of a send's cost."""
    return int(murmur2(key) & 0x7FFFFFFF)
