"""The ``limits`` topic: what processes ask for, granted by its order and its clock alone."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from streaming_runtime.core.entries import BadEntry
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.lease_ledger import (
    NOTHING,
    SILENT_MS,
    Ask,
    Entry,
    Grant,
    LeaseLedger,
    Left,
    Presence,
)
from streaming_runtime.core.lease_terms import LeaseTerms
from streaming_runtime.core.leasing import Lease, Outlook
from streaming_runtime.core.takes import Take
from streaming_runtime.kafka.clients import CALL_SECONDS, START_SECONDS
from streaming_runtime.kafka.follower import Follower
from streaming_runtime.kafka.idempotency import KafkaClock
from streaming_runtime.kafka.internals import start, stop_consumer
from streaming_runtime.kafka.lease_entries import decode, encode
from streaming_runtime.kafka.offsets import Offsets
from streaming_runtime.kafka.producer import SupervisedProducer

log = logging.getLogger("millrace.kafka.limits")

RETRY_SECONDS = 0.5
# Many times what an entry takes to be written and read: on a machine that is too busy a request is
# late, as a send would be, and not refused.
LEASE_SECONDS = 2.0
WAIT_SECONDS = 2.0
# For an entry of this process to come back.
SETTLE_SECONDS = 0.1
MOST_UNDER_WAY = 10_000
# Others take a process for gone after SILENT_MS; it stops relying on what it last read before.
FRESH_SECONDS = SILENT_MS / 1_000 - 0.5
# What one reads at the start: enough to know everybody who is there, with time to spare.
LOOK_BACK_MS = 10 * SILENT_MS


class LeaseLog:
    """Implements core.leasing.LeaseStore over the topic; tells ``on_read`` of what it has read."""

    def __init__(
        self,
        topic: str,
        producer: SupervisedProducer,
        offsets: Offsets,
        make_consumer: Callable[[], AIOKafkaConsumer],
        terms: LeaseTerms,
        clock: Callable[[], float],
    ) -> None:
        self.process = secrets.token_hex(8)
        self.ledger = LeaseLedger(terms)
        self.hold_seconds = terms.hold_ms / 1_000
        self.wait_seconds = WAIT_SECONDS
        # Until then nobody takes this process for gone: by its latest entry that came back.
        self.fresh_until = 0.0
        self.on_read: Callable[[Entry], None] = lambda _: None
        self._topic = topic
        self._producer = producer
        self._offsets = offsets
        self._make_consumer = make_consumer
        self._follower = Follower(topic, offsets, make_consumer, self._apply_all)
        self._clock = clock
        self._kafka_clock = KafkaClock(clock)
        # How this process counts, as its entries say; and the last one that said "shared".
        self.presence: Presence = "shared"
        self.last_shared = 0
        # What this process has counted alone, for its next entry to tell; [] where it has not.
        self.untold: list[Left | None] = []
        # Over, unless an entry that says "alone" is on its way: what is asked for behind it would
        # take it back.
        self._settled = asyncio.Event()
        self._settled.set()
        self._settles_with = 0
        self._numbers = 0
        self._sent_at: dict[int, float] = {}
        self._waiters: dict[int, asyncio.Future[Grant]] = {}
        # The offset that comes next; None before the first record.
        self._next: int | None = None
        self._begins_full = False

    def now_ms(self) -> int:
        """Return Kafka's time, as far as it is known: never ahead of it."""
        return self._kafka_clock.now_ms()

    async def follow(self) -> None:
        """Read the topic until cancelled, from where all who are there have last been heard.

        Raises:  TopicReplaced.
        """
        while True:
            try:
                self._follower.read_to.move(await self._beginning())
                break
            except (KafkaError, BrokerUnavailable, TimeoutError, OSError) as exc:
                log.warning("the limits cannot be read", extra={"reason": repr(exc)})
                await asyncio.sleep(RETRY_SECONDS)
        await self._follower.follow()

    async def announce(self, presence: Presence, holds: dict[str, int]) -> None:
        """Say that this process is there, how it counts, and how many readers it has.

        Raises:  BrokerUnavailable, Overloaded, OutcomeUnknown.
        """
        debts = self.ledger.further.debts(self.now_ms())
        entry = Entry(self.process, self._number(), presence, holds=holds, debts=debts)
        if presence == "alone" and self.presence != "alone":
            self._settled.clear()
            self._settles_with = entry.number
        await self._write(entry)

    async def lease(self, tenant: str, direct: int, ahead: int) -> Lease:
        grant = await self._granted(ask=Ask(tenant, direct, ahead))
        return Lease(grant.direct, grant.ahead)

    async def take(self, takes: Sequence[tuple[Take, ...]]) -> Sequence[bool]:
        """Take of further limits, one after the other; say of each whether it was there.

        Raises:  BrokerUnavailable, Overloaded, OutcomeUnknown.
        """
        grant = await self._granted(takes=tuple(takes))
        return grant.taken or (False,) * len(takes)

    async def open(self, bucket: str, has: int, wanted: int) -> int:
        """Return how many more readers this process may open, of those that it wants.

        Raises:  BrokerUnavailable, Overloaded, OutcomeUnknown.
        """
        grant = await self._granted(holds={bucket: has}, opens={bucket: wanted})
        return grant.opened.get(bucket, 0)

    def stop_alone(self, left: Left | None) -> None:
        """Count with the others from here on; the next entry tells what is left."""
        self.presence, self.untold = "shared", [left]
        # Whatever of this process is on its way says nothing any more of how it counts.
        self.last_shared = self._numbers

    async def _granted(self, **asked: Any) -> Grant:
        await self._wait_for_alone()
        if self.presence == "alone":
            return NOTHING  # There is nobody to ask: it counts by itself since just now.
        number = self._number()
        entry = Entry(self.process, number, self.presence, **asked)
        waiter: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self._waiters[number] = waiter
        try:
            async with asyncio.timeout(LEASE_SECONDS):
                await self._write(entry)
                return await waiter
        except TimeoutError:
            raise BrokerUnavailable("The limits cannot be asked now") from None
        finally:
            # Granted later, it is nobody's, and flows in again.
            self._waiters.pop(number, None)

    def outlook(self, tenant: str, taken: int) -> Outlook:
        now = self.now_ms()
        ms = self.ledger.ms_until(tenant, taken + 1, now)
        return Outlook(self.ledger.level(tenant, now) - taken, ms / 1_000)

    def _number(self) -> int:
        self._numbers += 1
        self._sent_at[self._numbers] = self._clock()
        if len(self._sent_at) > MOST_UNDER_WAY:
            del self._sent_at[next(iter(self._sent_at))]
        return self._numbers

    async def _wait_for_alone(self) -> None:
        """Let this process become alone, if it is about to: it has nobody to ask then."""
        if not self._settled.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_SECONDS):
                    await self._settled.wait()
            self._settled.set()

    async def _write(self, entry: Entry) -> None:
        untold: list[Left | None] = []
        if entry.presence != "alone":
            self.last_shared = entry.number
            if untold := self.untold:
                self.untold = []
                entry = replace(entry, has_counted=True, left=untold[0])
        try:
            await self._producer.send(self._topic, self.process.encode(), encode(entry), [])
        except BaseException:
            self._sent_at.pop(entry.number, None)
            self.untold = self.untold or untold
            raise

    async def _beginning(self) -> int:
        """Return the offset from which on everybody who is there has spoken."""
        partition = TopicPartition(self._topic, 0)
        consumer = self._make_consumer()
        try:
            async with asyncio.timeout(START_SECONDS):
                await start(consumer)
                bounds = await self._offsets.bounds(self._topic, 0)
                if bounds.end == bounds.earliest:
                    self._begins_full = True
                    return bounds.end
                latest = await _latest(consumer, partition, bounds.end)
                asked = {partition: max(0, latest - LOOK_BACK_MS)}
                found = (await consumer.offsets_for_times(asked))[partition]
                offset = bounds.earliest if found is None else int(found.offset)
                self._begins_full = offset == 0
                return offset
        finally:
            await stop_consumer(consumer)

    def _apply_all(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            self._note_place(record)
            self._kafka_clock.note(record.timestamp)
            try:
                entry = decode(record.value)
            except BadEntry as exc:
                log.warning("an entry is passed over", extra={"reason": str(exc)})
                continue
            grant = self.ledger.apply(entry, record.timestamp)
            if entry.by == self.process:
                self._came_back(entry.number, grant)
            self.on_read(entry)

    def _note_place(self, record: ConsumerRecord) -> None:
        if self._next is None:
            if self._begins_full:
                self.ledger.begin(None)
            else:
                self.ledger.begin(record.timestamp, is_late=True)
        elif record.offset != self._next:
            log.warning("a part of the limits was not read", extra={"offset": self._next})
            self.ledger.miss(record.timestamp)
        self._next = record.offset + 1

    def _came_back(self, number: int, grant: Grant) -> None:
        if number >= self._settles_with:
            self._settled.set()
        sent_at = self._sent_at.pop(number, None)
        if sent_at is not None:
            self.fresh_until = max(self.fresh_until, sent_at + FRESH_SECONDS)
        waiter = self._waiters.pop(number, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(grant)


async def _latest(consumer: AIOKafkaConsumer, partition: TopicPartition, end: int) -> int:
    """Return when the last record was stored.

    Raises:  TimeoutError.
    """
    consumer.assign([partition])
    consumer.seek(partition, end - 1)
    async with asyncio.timeout(CALL_SECONDS):
        while True:
            found = await consumer.getmany(partition, timeout_ms=1_000)
            if records := found.get(partition):
                return int(records[-1].timestamp)
