"""What clients may do, counted by all processes together, and in memory by one that is alone."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence

from streaming_runtime.core.errors import StreamingError
from streaming_runtime.core.lease_ledger import Entry, Left, Presence
from streaming_runtime.core.leasing import SOON_SECONDS as HELD_SOON
from streaming_runtime.core.leasing import LeasedLimits
from streaming_runtime.core.limits import Verdict
from streaming_runtime.core.slotted_buckets import verdicts
from streaming_runtime.core.takes import Take, size_of
from streaming_runtime.kafka.lease_log import LeaseLog
from streaming_runtime.kafka.own_counts import OwnCounts, apart, going_on
from streaming_runtime.kafka.producer import SupervisedProducer
from streaming_runtime.kafka.shared_readers import KafkaReaders
from streaming_runtime.kafka.taking import Taking

log = logging.getLogger("millrace.kafka.limits")

BEAT_SECONDS = 1.0
LEAVE_SECONDS = 0.5
ANSWER_SECONDS = 0.3
# What is told of at most when a process stops counting alone; else all buckets begin empty.
MOST_LEFT = 1_000
# At such a limit a token is there in a moment: waiting for it is better than a refusal.
SOON_PER_SECOND = 500
SOON_SECONDS = 0.01
LOOKS = 3


class KafkaLimits:
    """Implements core.ports.HeldLimits and core.takes.SharedTakes over a log of leases.

    Three ways of counting, each without any waiting as long as it lasts. Alone: a bucket in
    memory, when nobody else is in the log. Shared: tokens leased from the log. Apart: a part of
    the limit, by the number of processes that were last there, while the log cannot be relied on.
    """

    def __init__(
        self,
        lease_log: LeaseLog,
        producer: SupervisedProducer,
        per_second: int,
        burst: int,
        most_readers: int,
        clock: Callable[[], float],
    ) -> None:
        self._log = lease_log
        self._producer = producer
        self._rate = per_second
        self._burst = burst
        self._clock = clock
        self._leased = LeasedLimits(lease_log, burst, clock)
        self._taking = Taking(lease_log.take)
        self.readers = KafkaReaders(lease_log, most_readers, self._part)
        # What is counted alone; kept until the log has that it is over, so that nothing of it is
        # forgotten however often others come and go meanwhile.
        self._memory: OwnCounts | None = None
        self._is_alone = False
        self._apart: OwnCounts | None = None
        self._is_held = False
        self._is_leaving = False
        self._has_read = asyncio.Event()
        self._is_settled = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None
        lease_log.on_read = self._note

    async def run(self) -> None:
        """Read and write the log until cancelled.

        Raises:  ExceptionGroup on a fault of ours, or when the topic was made anew.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._producer.supervise())
                tasks.create_task(self._log.follow())
                tasks.create_task(self._beat())
        finally:
            if self._telling is not None:
                self._telling.cancel()
            for part in (self._leased, self._taking):
                await part.close()
            await self.readers.close_all()

    async def joined(self, seconds: float) -> None:
        """Wait until it is known here how to count, for so long at most.

        Shape:   who was alone before may have been killed: it is not waited for any longer than an
                 answer takes.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._has_read.wait()
        except TimeoutError:
            log.warning("the limits cannot be shared: this process counts by itself")
            return
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._is_settled.wait()
        except TimeoutError:
            log.info("another process may have been killed: limits are counted apart")

    async def leave(self) -> None:
        """Tell the others that nothing is counted here any more; they need not wait for that."""
        self._is_leaving = True
        if self._is_alone:
            self._stop_alone()
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._log.announce("gone", {})
        except (StreamingError, TimeoutError):
            log.info("the others will miss this process only in a moment")

    def take_held(self, tenant: str) -> Verdict | None:
        own = self._own()
        if own is None:
            return self._leased.take_held(tenant)
        counted = own.requests.take(tenant)
        return None if self._is_hasty(counted) else counted

    async def take(self, tenant: str) -> Verdict:
        """Take one; where tokens flow in fast, a refusal is looked at more than once.

        Shape:   while processes come and go nobody is granted anything for a moment, and buckets
                 begin empty: at a limit far above what is asked for, that must refuse nobody.
        """
        for _ in range(LOOKS):
            verdict = await self._taken(tenant)
            if not self._is_hasty(verdict):
                return verdict
            await asyncio.sleep(SOON_SECONDS)
        return await self._taken(tenant)

    async def take_all(self, takes: Sequence[Take]) -> list[Verdict]:
        """Take of several buckets or of none; told as by SharedTakes."""
        for _ in range(LOOKS):
            told = await self._all_taken(takes)
            if told[-1].is_admitted or not _flow_fast(takes):
                return told
            await asyncio.sleep(SOON_SECONDS)
        return await self._all_taken(takes)

    async def _taken(self, tenant: str) -> Verdict:
        if (own := self._own()) is not None:
            return own.requests.take(tenant)
        try:
            verdict = await self._leased.take(tenant)
        except StreamingError:
            # What cannot be asked, or not in time, is no reason to refuse.
            return self._counted_apart().requests.take(tenant)
        if not verdict.is_admitted and (own := self._own()) is not None:
            # Alone since it was asked for, when nobody grants anything.
            return own.requests.take(tenant)
        return verdict

    async def _all_taken(self, takes: Sequence[Take]) -> list[Verdict]:
        if (own := self._own()) is not None:
            return own.further.take_all(takes)
        further = self._log.ledger.further
        # Who asks again and again at its limit does not fill the log.
        ms = max(further.ms_until(take, self._log.now_ms()) for take in takes)
        try:
            is_taken = ms <= HELD_SOON * 1_000 and await self._taking.take(takes)
        except StreamingError:
            return self._counted_apart().further.take_all(takes)
        if not is_taken and (own := self._own()) is not None:
            return own.further.take_all(takes)
        return verdicts(further, takes, self._log.now_ms(), is_taken=is_taken)

    def _own(self) -> OwnCounts | None:
        """Return what is counted in this process, alone or apart; None where all count together."""
        if self._clock() >= self._log.fresh_until or self._is_held:
            return self._counted_apart()
        return self._memory if self._is_alone else None

    def _part(self) -> int:
        """Return by how many limits are divided that are counted here; 0 where none are."""
        own = self._own()
        return 0 if own is None else own.parts

    def _is_hasty(self, verdict: Verdict) -> bool:
        return not verdict.is_admitted and self._rate >= SOON_PER_SECOND

    def _counted_apart(self) -> OwnCounts:
        if self._apart is None:
            others = self._log.ledger.others(self._log.process)
            processes = max(2 if self._is_held else 1, 1 + others)
            begun = self._clock() if self._is_held else min(self._clock(), self._log.fresh_until)
            since = begun if self._has_read.is_set() else None
            self._apart = apart(self._rate, self._burst, self._clock, processes, since)
            log.warning("limits are counted apart", extra={"processes": processes})
        return self._apart

    async def announce(self) -> None:
        """Say that this process is there, and that it counts alone if nobody else is."""
        if self._is_leaving:
            return
        is_alone = not self._log.ledger.others(self._log.process)
        try:
            presence: Presence = "alone" if is_alone else "shared"
            await self._log.announce(presence, self.readers.holds())
        except StreamingError as failure:
            log.info("the others were not told of this process", extra={"reason": failure.code})

    async def _beat(self) -> None:
        while True:
            await self.announce()
            await asyncio.sleep(BEAT_SECONDS)

    def _note(self, entry: Entry) -> None:
        """Look how to count from here on: an entry of this process, or of another, was read."""
        if entry.by == self._log.process:
            self._has_read.set()
            self._note_own(entry)
        elif self._is_alone:
            self._stop_alone()
            self._telling = asyncio.ensure_future(self._tell())
        self._is_held = self._log.ledger.is_held_from(self._log.process)
        if self._clock() < self._log.fresh_until and not self._is_held:
            self._apart = None
            self._is_settled.set()

    def _note_own(self, entry: Entry) -> None:
        if entry.presence != "alone":
            self._memory, self._is_alone = None, False
            self._log.presence = "shared"
        elif (
            not self._is_leaving
            and entry.number > self._log.last_shared
            and not self._log.untold
            and self._log.ledger.is_alone(self._log.process)
        ):
            self._is_alone = True
            self._log.presence = "alone"
            if self._memory is None:
                self._memory = going_on(
                    self._rate, self._burst, self._clock, self._log.ledger, self._log.now_ms
                )

    def _stop_alone(self) -> None:
        """Count in memory no more; what is left in the buckets is told, if it can be."""
        self._is_alone = False
        self._log.stop_alone(self._left())

    def _left(self) -> Left | None:
        before = self._log.ledger.lacking(self._log.now_ms())
        if before is None or self._memory is None:
            return before
        requests = before.requests | _whole(self._memory.requests.lacking())
        further = before.further | _whole(self._memory.further.lacking())
        if len(requests) + len(further) > MOST_LEFT:
            return None
        return Left(requests, further, before.empty_at_ms)

    async def _tell(self) -> None:
        try:
            await self._log.announce("shared", self.readers.holds())
        except StreamingError as failure:
            log.info("the others wait for this process", extra={"reason": failure.code})


def _flow_fast(takes: Sequence[Take]) -> bool:
    return all(size_of(take.bucket)[0] >= SOON_PER_SECOND for take in takes)


def _whole(levels: Mapping[str, float]) -> dict[str, int]:
    return {bucket: math.floor(level) for bucket, level in levels.items()}
