"""Requests of a tenant, counted by all processes together, and in memory by one that is alone."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable

from streaming_runtime.core.errors import StreamingError
from streaming_runtime.core.lease_ledger import Entry
from streaming_runtime.core.leasing import LeasedLimits
from streaming_runtime.core.limits import Buckets, Verdict
from streaming_runtime.kafka.lease_log import LeaseLog
from streaming_runtime.kafka.producer import SupervisedProducer

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
    """Implements core.ports.HeldLimits over a log of leases.

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
        clock: Callable[[], float],
    ) -> None:
        self._log = lease_log
        self._producer = producer
        self._rate = per_second
        self._burst = burst
        self._clock = clock
        self._leased = LeasedLimits(lease_log, burst, clock)
        # What is counted alone; kept until the log has that it is over, so that nothing of it is
        # forgotten however often others come and go meanwhile.
        self._memory: Buckets | None = None
        self._is_alone = False
        self._apart: Buckets | None = None
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
            await self._leased.close()

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
        left = self._stop_alone() if self._is_alone else None
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._log.announce("gone", left)
        except (StreamingError, TimeoutError):
            log.info("the others will miss this process only in a moment")

    def take_held(self, tenant: str) -> Verdict | None:
        counted = self._counted_here(tenant)
        if counted is None:
            return self._leased.take_held(tenant)
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

    async def _taken(self, tenant: str) -> Verdict:
        if (counted := self._counted_here(tenant)) is not None:
            return counted
        try:
            return await self._leased.take(tenant)
        except StreamingError:
            # What cannot be asked, or not in time, is no reason to refuse.
            return self._counted_apart(tenant)

    def _counted_here(self, tenant: str) -> Verdict | None:
        """Count in this process, alone or apart; None where all count together."""
        if self._clock() >= self._log.fresh_until or self._is_held:
            return self._counted_apart(tenant)
        if self._is_alone and self._memory is not None:
            return self._memory.take(tenant)
        return None

    def _is_hasty(self, verdict: Verdict) -> bool:
        return not verdict.is_admitted and self._rate >= SOON_PER_SECOND

    def _counted_apart(self, tenant: str) -> Verdict:
        if self._apart is None:
            others = self._log.ledger.others(self._log.process)
            processes = max(2 if self._is_held else 1, 1 + others)
            rate, burst = max(1, self._rate // processes), max(1, self._burst // processes)
            begun = self._clock() if self._is_held else min(self._clock(), self._log.fresh_until)

            def flowed_in(_: str) -> float:
                # What there was may be in the hands of others: what has come since is not.
                return min(float(burst), (self._clock() - begun) * rate)

            begin = flowed_in if self._has_read.is_set() else None
            self._apart = Buckets(rate, burst, self._clock, begin)
            log.warning("limits are counted apart", extra={"processes": processes})
        return self._apart.take(tenant)

    async def announce(self) -> None:
        """Say that this process is there, and that it counts alone if nobody else is."""
        if self._is_leaving:
            return
        is_alone = not self._log.ledger.others(self._log.process)
        try:
            await self._log.announce("alone" if is_alone else "shared")
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
            self._telling = asyncio.ensure_future(self._tell(self._stop_alone()))
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
            and self._log.ledger.is_alone(self._log.process)
        ):
            self._is_alone = True
            self._log.presence = "alone"
            if self._memory is None:
                self._memory = Buckets(self._rate, self._burst, self._clock, self._level)

    def _stop_alone(self) -> dict[str, int] | None:
        """Count in memory no more, and return what is left in the buckets, if it can be told."""
        self._is_alone = False
        self._log.presence = "shared"
        own = {} if self._memory is None else self._memory.lacking()
        before = self._log.ledger.lacking(self._log.now_ms())
        if before is None or len(before) + len(own) > MOST_LEFT:
            return None
        return before | {bucket: math.floor(max(0.0, level)) for bucket, level in own.items()}

    async def _tell(self, left: dict[str, int] | None) -> None:
        try:
            await self._log.announce("shared", left)
        except StreamingError as failure:
            log.info("the others wait for this process", extra={"reason": failure.code})

    def _level(self, bucket: str) -> float:
        """Return what a bucket holds that was counted in the log before."""
        ledger = self._log.ledger
        if ledger.is_untouched(bucket):
            return self._burst
        return ledger.level(bucket, self._log.now_ms())
