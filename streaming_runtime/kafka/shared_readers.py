"""Open readers of a tenant, counted by all processes together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice

from streaming_runtime.core.errors import StreamingError
from streaming_runtime.core.open_readers import readers_of
from streaming_runtime.kafka.lease_log import LeaseLog

# Told of in one entry: those whose turn it is, where a process has readers of more tenants.
MOST_TOLD = 1_000
MOST_WAITING = 10_000
WAIT_SECONDS = 2.0


class _Account:
    """What this process has of one tenant's readers."""

    __slots__ = ("asked", "asking", "held", "open", "queue", "waiting")

    def __init__(self) -> None:
        self.open = 0
        # As many as the log has it: some of them may have closed since.
        self.held = 0
        self.asked = 0
        self.waiting = 0
        self.queue: deque[asyncio.Future[bool]] = deque()
        self.asking: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        return not (self.open or self.asked or self.waiting)


class KafkaReaders:
    """Implements core.ports.SharedReaders over a log of leases.

    Shape:   ``part`` is by how many this process's share is divided, as long as it counts by
             itself; 0 where it has to ask the others.
    """

    def __init__(self, lease_log: LeaseLog, most: int, part: Callable[[], int]) -> None:
        self._log = lease_log
        self._most = most
        self._part = part
        self._accounts: dict[str, _Account] = {}
        self._told_to = 0

    async def open(self, tenant: str) -> bool:
        if not self._most:
            return True
        bucket = readers_of(tenant, self._most)
        account = self._accounts.get(bucket) or self._accounts.setdefault(bucket, _Account())
        if part := self._part():
            return self._opened_apart(account, part)
        if not account.queue and account.open < account.held:
            account.open += 1
            return True
        if not account.asked and self._is_full(bucket, account):
            return False
        return await self._asked(bucket, account)

    def close(self, tenant: str) -> None:
        if self._most:
            self._accounts[readers_of(tenant, self._most)].open -= 1

    def holds(self) -> dict[str, int]:
        """Return how many this process has, for the others to know; none any more is 0.

        Shape:   what it was granted and does not use is let go of by that. In one entry are those
                 of which the log has another number, and a part of all others, in turn.
        """
        told: dict[str, int] = {}
        for bucket in self._those_to_tell():
            account = self._accounts.get(bucket)
            told[bucket] = 0 if account is None else account.open + account.asked
            if account is not None:
                account.held = account.open
                if account.is_idle:
                    del self._accounts[bucket]
        return told

    def _those_to_tell(self) -> list[str]:
        """Return at most twice MOST_TOLD."""
        has = self._log.ledger.readers.of(self._log.process)
        changed = [b for b, a in self._accounts.items() if has.get(b, 0) != a.open or a.is_idle]
        changed += [bucket for bucket in has if bucket not in self._accounts]
        return changed[:MOST_TOLD] + self._those_whose_turn_it_is()

    async def close_all(self) -> None:
        """End what is being asked for; nobody waits for it any more."""
        asking = [a.asking for a in self._accounts.values() if a.asking is not None]
        for task in asking:
            task.cancel()
        if asking:
            await asyncio.wait(asking)

    def _those_whose_turn_it_is(self) -> list[str]:
        if len(self._accounts) <= MOST_TOLD:
            return list(self._accounts)
        begin = self._told_to % len(self._accounts)
        self._told_to = begin + MOST_TOLD
        return list(islice(self._accounts, begin, begin + MOST_TOLD))

    def _is_full(self, bucket: str, account: _Account) -> bool:
        """Say whether all are open by what the log has, which is told again each second."""
        ledger = self._log.ledger
        has = ledger.readers.of(self._log.process).get(bucket, 0)
        return ledger.open_readers(bucket) - has + account.open >= self._most

    def _opened_apart(self, account: _Account, part: int) -> bool:
        if account.open >= max(1, self._most // part):
            return False
        account.open += 1
        account.held = max(account.held, account.open)
        return True

    async def _asked(self, bucket: str, account: _Account) -> bool:
        if len(account.queue) >= MOST_WAITING:
            return False
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        account.queue.append(waiter)
        account.waiting += 1
        if account.asking is None:
            account.asking = asyncio.ensure_future(self._ask(bucket, account))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await waiter
        except (StreamingError, TimeoutError):
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                return waiter.result()  # Told in the very moment at which it was given up.
            # What cannot be asked is no reason to refuse: as many as if it counted by itself.
            return self._opened_apart(account, 1 + self._log.ledger.others(self._log.process))
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                account.open -= waiter.result()
            raise
        finally:
            account.waiting -= 1

    async def _ask(self, bucket: str, account: _Account) -> None:
        try:
            while account.queue:
                await self._ask_for_all(bucket, account)
        finally:
            account.asking = None

    async def _ask_for_all(self, bucket: str, account: _Account) -> None:
        waiting = list(account.queue)
        account.queue.clear()
        account.asked, account.held = len(waiting), account.open
        try:
            granted = await self._log.open(bucket, account.open, len(waiting))
        except StreamingError as failure:
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_exception(failure)
            return
        finally:
            account.asked = 0
        if not granted and (part := self._part()):
            # Alone since it was asked for, when nobody grants anything.
            granted = max(0, self._most // part - account.open)
        account.held = account.open + granted
        for waiter in waiting:
            if not waiter.done():
                account.open += granted > 0
                waiter.set_result(granted > 0)
                granted -= granted > 0
