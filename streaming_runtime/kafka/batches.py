"""One batch for each partition, filled until it leaves: 1.5 to 2 times single sends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

from aiokafka.errors import NotEnoughReplicasError
from aiokafka.partitioner import murmur2

from streaming_runtime.core.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    RecordTooLarge,
    StreamingError,
)
from streaming_runtime.kafka.batch import Batch, Pending, Place
from streaming_runtime.kafka.clients import MAX_BATCH_BYTES, SEND_SECONDS
from streaming_runtime.kafka.doors import Doors
from streaming_runtime.kafka.internals import ProducerInternals
from streaming_runtime.kafka.load import Load
from streaming_runtime.kafka.pace import Pace

# What a batch has before its first record, rounded up.
BATCH_OVERHEAD = 128
HASHED_KEYS = 16_384
REQUESTS_APART_SECONDS = 0.0005


class BatchingProducer:
    """A started producer, fed in batches; records of a partition are stored in the order of calls.

    aiokafka sends one batch of a partition at a time, in the order in which they entered, also
    when one is sent again. What comes while a batch is under way goes into the one behind it.

    A partition is in doubt, and this producer of no more use for it, once a deadline passed there
    or a batch failed, whose sequence numbers aiokafka neither takes back nor resets. The others go
    on until the next producer is there. ``doubt`` holds the reason once none may be used.
    """

    def __init__(
        self,
        internals: ProducerInternals,
        load: Load,
        doors: Doors,
        on_doubt: Callable[[str], None],
    ) -> None:
        self.internals = internals
        self.doubt: str | None = None
        self._load = load
        self._doors = doors
        self._on_doubt = on_doubt
        self._loop = asyncio.get_running_loop()
        self._pace = Pace(REQUESTS_APART_SECONDS)
        self._last: dict[Place, Batch] = {}
        self._batches: set[Batch] = set()
        self._doubted: set[Place] = set()
        self._is_empty = asyncio.Event()

    def place_of(self, topic: str, key: bytes) -> Place:
        """Return the partition that Kafka's default partitioner gives a key.

        Raises:  BrokerUnavailable while the topic is not known.
        """
        partitions = self.internals.partitions(topic)
        if not partitions:
            raise BrokerUnavailable
        return topic, _hash(key) % partitions

    def takes(self, record: Pending) -> bool:
        """Return whether the partition of a record may still be used."""
        if not self._doubted:
            return True
        return self.place_of(record.topic, record.key) not in self._doubted

    def append(self, record: Pending) -> None:
        """Add a record to the batch that leaves next.

        Raises:  BrokerUnavailable; RecordTooLarge.
        """
        if record.size > MAX_BATCH_BYTES - BATCH_OVERHEAD:
            # Refused by the broker it would cost the producer, and all that is behind it.
            raise RecordTooLarge
        place = self.place_of(record.topic, record.key)
        if self.doubt is not None or place in self._doubted:
            raise BrokerUnavailable
        if not self._doors.admits(place, time.monotonic()):
            raise BrokerUnavailable
        batch = self._last.get(place)
        if batch is None or not batch.add(record):
            self._enter(place).add(record)

    def append_behind(self, before: Pending, records: Sequence[Pending]) -> int:
        """Add records of the same key behind one that was just appended, as far as its batch goes.

        Shape:   how many were added; 0 also where that one did not get into a batch.
        """
        if not self.internals.partitions(before.topic):
            return 0  # Not known any more, in this very turn: the next one hears of it.
        batch = self._last.get(self.place_of(before.topic, before.key))
        if batch is None or not batch.records or batch.records[-1] is not before:
            return 0
        for added, record in enumerate(records):
            if not batch.add(record):
                return added
        return len(records)

    def give_up(self, reason: str) -> None:
        """Answer everyone who still waits; what has not left never will."""
        self.doubt = self.doubt or reason
        self.internals.stop_sending()
        for batch in list(self._batches):
            self._fail(batch, batch.give_up())

    async def settle(self, seconds: float) -> None:
        """Wait so long for the answers that are still to come; nothing may be added meanwhile."""
        self._is_empty.clear()
        if self._batches:
            try:
                async with asyncio.timeout(seconds):
                    await self._is_empty.wait()
            except TimeoutError:
                pass

    def _enter(self, place: Place) -> Batch:
        linger = self._pace.wait(time.monotonic())
        batch = Batch(place, *self.internals.enter(*place, linger))
        self.internals.ask_before_retry(batch.entry, partial(self._may_retry, batch))
        batch.deadline = self._loop.call_later(SEND_SECONDS, self._expire, batch)
        batch.entry.future.add_done_callback(partial(self._settle, batch))
        self._last[place] = batch
        self._batches.add(batch)
        return batch

    def _may_retry(self, batch: Batch, failure: BaseException) -> bool:
        """Take the failure of an attempt, and say whether there may be another one."""
        batch.note(failure)
        if batch not in self._batches:
            return False
        if not isinstance(failure, NotEnoughReplicasError):
            return True
        # One that an earlier attempt may have stored is asked for until its deadline: only an
        # acknowledgement tells.
        return self._doors.is_patient(batch.place, time.monotonic()) or batch.may_be_stored

    def _expire(self, batch: Batch) -> None:
        if not batch.has_left and self.internals.has_no_leader(*batch.place):
            self._doors.shut(batch.place)
            self._fail_behind(batch.place)
            return
        if batch.may_be_stored:
            self._doors.time_out(batch.place)
        self._lose_trust(batch.place, f"no answer from Kafka within {SEND_SECONDS} s")

    def _settle(self, batch: Batch, delivery: asyncio.Future[Any]) -> None:
        failure = delivery.exception()
        if failure is not None:
            self._settle_failed(batch, failure)
        elif delivery.result() is None or delivery.result().offset < 0:
            # Stored before, says the broker, but it no longer knows where.
            self._fail(batch, OutcomeUnknown())
        elif self._finish(batch):
            self._doors.open(batch.place)
            batch.tell_places(delivery.result().offset)

    def _settle_failed(self, batch: Batch, failure: BaseException) -> None:
        if batch not in self._batches:
            return
        is_refused = isinstance(failure, NotEnoughReplicasError) and not batch.may_be_stored
        if is_refused:
            # As if it had never left: the next one takes its numbers.
            self.internals.take_back(*batch.place, len(batch.records))
            self._fail(batch, BrokerUnavailable())
            self._fail_behind(batch.place)
        else:
            self._fail(batch, batch.outcome(failure))
            self._lose_trust(batch.place, repr(failure))

    def _fail_behind(self, place: Place) -> None:
        """Refuse what waits for a partition and has not left."""
        for batch in [each for each in self._batches if each.place == place]:
            if not batch.has_left:
                self.internals.withdraw(batch.entry)
                self._fail(batch, BrokerUnavailable())

    def _lose_trust(self, place: Place, reason: str) -> None:
        self._doubted.add(place)
        self._fail_behind(place)
        for batch in [each for each in self._batches if each.place == place]:
            self._fail(batch, batch.give_up())
        if self.doubt is None:
            self._on_doubt(f"{place[0]}-{place[1]}: {reason}")

    def _fail(self, batch: Batch, outcome: StreamingError) -> None:
        if self._finish(batch):
            self.internals.abandon(batch.entry)
            batch.fail(outcome)

    def _finish(self, batch: Batch) -> bool:
        """Forget a batch; False if that was done before."""
        if batch not in self._batches:
            return False
        self._batches.discard(batch)
        if self._last.get(batch.place) is batch:
            del self._last[batch.place]
        if batch.deadline is not None:
            batch.deadline.cancel()
            batch.deadline = None
        self.internals.let_go(batch.entry)
        self._load.release(len(batch.records), batch.bytes)
        if not self._batches:
            self._is_empty.set()
        return True


@lru_cache(maxsize=HASHED_KEYS)
def _hash(key: bytes) -> int:
    """Return Kafka's hash of a key; aiokafka's is in Python and a quarter of a send's cost."""
    return int(murmur2(key) & 0x7FFFFFFF)
