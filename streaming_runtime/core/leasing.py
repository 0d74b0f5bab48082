"""Requests admitted from tokens that this process has leased from a budget shared with others."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from streaming_runtime.core.errors import BrokerUnavailable, StreamingError
from streaming_runtime.core.limits import Verdict

# A lease is asked for while the last one is used, and lasts about so long at the pace of then.
AHEAD_SECONDS = 0.2
# A pace is told by no shorter time.
PACE_SECONDS = 0.05
MOST_WAITING = 1_000
# Between two leases of a tenant: what comes meanwhile is asked for together, so that one at its
# limit costs little.
PAUSE_SECONDS = 0.03
# What flows in so soon is there when the answer is.
SOON_SECONDS = 0.002
# Tenants are named by credentials, of which there may be very many.
MOST_ACCOUNTS = 10_000


class Lease(NamedTuple):
    """What the shared budget gave: for the requests that wait, and for those to come."""

    direct: int
    ahead: int


class Outlook(NamedTuple):
    """What is known here of a shared bucket now, without asking anybody.

    Shape:   it never tells of more, or of an earlier moment, than the bucket itself would.
    """

    remaining: int
    seconds_until_next: float


class LeaseStore(Protocol):
    """Where a budget is kept that several processes share.

    Units:   ``hold_seconds`` is for how long tokens granted ahead may be used from the moment they
             were asked for; 0 where none are. ``wait_seconds`` is for how long a request waits for
             one that is there by all that is known.
    """

    hold_seconds: float
    wait_seconds: float

    def outlook(self, tenant: str, taken: int) -> Outlook:
        """Say what there is beside ``taken`` tokens that are being asked for."""

    async def lease(self, tenant: str, direct: int, ahead: int) -> Lease:
        """Take tokens: as many as there are, those for waiting requests first.

        Raises:  StreamingError where nobody can be asked.
        """


class _Account:
    """What this process holds for one tenant."""

    __slots__ = (
        "ahead",
        "ask_from",
        "asking",
        "expires",
        "low",
        "next",
        "pace",
        "queue",
        "remaining",
        "since",
        "tokens",
        "used",
        "waiting",
    )

    def __init__(self, now: float) -> None:
        self.tokens = 0
        self.expires = 0.0
        # The lease behind the one in use: its tokens, and when they expire.
        self.next: tuple[int, float] | None = None
        self.low = 0
        self.remaining = 0
        # What was used since when, and how many a second that was the last time.
        self.used = 0
        self.since = now
        self.pace = 0.0
        # Requests that wait, or were let in and do not run yet: nobody overtakes them.
        self.waiting = 0
        self.queue: deque[asyncio.Future[bool]] = deque()
        # What is being asked for, for those to come.
        self.ahead = 0
        self.ask_from = 0.0
        self.asking: asyncio.Task[None] | None = None


class LeasedLimits:
    """Implements core.ports.HeldLimits over any store of leases."""

    def __init__(self, store: LeaseStore, burst: int, clock: Callable[[], float]) -> None:
        self._store = store
        self._burst = burst
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    def take_held(self, tenant: str) -> Verdict | None:
        account = self._accounts.get(tenant)
        if account is None or account.waiting or not self._holds(account):
            return None
        account.tokens -= 1
        account.used += 1
        if account.tokens <= account.low and account.next is None and account.asking is None:
            self._ask(tenant, account)
        return self._admitted(account)

    async def take(self, tenant: str) -> Verdict:
        """Take one of the tokens, asking for it if none is held here.

        Shape:   refused at once when there is none by what is known; else it is waited for a
                 moment, in the order of asking.
        Raises:  StreamingError where the budget cannot be reached.
        """
        if (verdict := self.take_held(tenant)) is not None:
            return verdict
        account = self._account(tenant)
        outlook = self._outlook(tenant, account)
        is_empty = outlook.remaining < 1 and outlook.seconds_until_next > SOON_SECONDS
        if is_empty or len(account.queue) >= MOST_WAITING:
            return self._refused(outlook)
        if await self._waited(tenant, account):
            return self._admitted(account)
        return self._refused(self._outlook(tenant, account))

    async def close(self) -> None:
        """End what is being asked for; nobody waits for it any more."""
        asking = [a.asking for a in self._accounts.values() if a.asking is not None]
        for task in asking:
            task.cancel()
        if asking:
            await asyncio.wait(asking)

    async def _waited(self, tenant: str, account: _Account) -> bool:
        """Wait for a token; False if there was none.

        Raises:  StreamingError, also when nobody has told in time.
        """
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        account.queue.append(waiter)
        account.waiting += 1
        self._serve_held(account)
        self._ask(tenant, account)
        try:
            async with asyncio.timeout(self._store.wait_seconds):
                return await waiter
        except TimeoutError:
            raise BrokerUnavailable("The limits did not answer in time") from None
        finally:
            account.waiting -= 1

    def _outlook(self, tenant: str, account: _Account) -> Outlook:
        return self._store.outlook(tenant, account.ahead + len(account.queue))

    def _holds(self, account: _Account) -> bool:
        """Say whether a token is held that may be used still; turns to the next lease for that."""
        if account.tokens > 0 and self._clock() < account.expires:
            return True
        account.tokens = 0
        if account.next is None:
            return False
        (account.tokens, account.expires), account.next = account.next, None
        return self._clock() < account.expires

    def _admitted(self, account: _Account) -> Verdict:
        remaining = min(self._burst, account.remaining + account.tokens)
        return Verdict(True, remaining, 0 if remaining >= self._burst else 1, 0)

    @staticmethod
    def _refused(outlook: Outlook) -> Verdict:
        # Rounded up, and a millisecond more: a request after Retry-After must succeed.
        seconds = max(1, math.ceil(outlook.seconds_until_next + 0.001))
        return Verdict(False, 0, seconds, seconds)

    def _serve_held(self, account: _Account) -> None:
        """Let those in who wait, with what is held, in their order."""
        while account.queue and self._holds(account):
            if self._let_in(account, is_granted=True):
                account.tokens -= 1

    @staticmethod
    def _let_in(account: _Account, *, is_granted: bool) -> bool:
        """Tell the one who waits first; False if it has left."""
        waiter = account.queue.popleft()
        if waiter.done():
            return False
        waiter.set_result(is_granted)
        account.used += is_granted
        return True

    def _ask(self, tenant: str, account: _Account) -> None:
        if account.asking is None:
            account.asking = asyncio.ensure_future(self._keep_asking(tenant, account))

    async def _keep_asking(self, tenant: str, account: _Account) -> None:
        try:
            while True:
                if (pause := account.ask_from - self._clock()) > 0:
                    await asyncio.sleep(pause)
                account.ask_from = self._clock() + PAUSE_SECONDS
                await self._lease(tenant, account)
                if not account.queue:
                    return
        except StreamingError as failure:
            for waiter in account.queue:
                if not waiter.done():
                    waiter.set_exception(failure)
            account.queue.clear()
        finally:
            account.asking, account.ahead = None, 0

    async def _lease(self, tenant: str, account: _Account) -> None:
        direct, began = len(account.queue), self._clock()
        ahead = self._ahead(account, began)
        if not direct and not ahead:
            return
        account.ahead = ahead
        lease = await self._store.lease(tenant, direct, ahead)
        account.ahead = 0
        self._give_out(account, direct, lease.direct)
        if lease.ahead:
            account.next = lease.ahead, began + self._store.hold_seconds
            self._serve_held(account)
        account.low = lease.ahead // 2
        account.remaining = self._store.outlook(tenant, 0).remaining

    def _give_out(self, account: _Account, asked: int, granted: int) -> None:
        """Answer those who were asked for; who came meanwhile waits for the next lease."""
        for _ in range(min(asked, len(account.queue))):
            if self._let_in(account, is_granted=granted > 0):
                granted -= 1

    def _ahead(self, account: _Account, now: float) -> int:
        """Return how many will come in a moment, if they come as they did since the last lease."""
        if not self._store.hold_seconds:
            return 0
        if (elapsed := now - account.since) >= PACE_SECONDS:
            account.pace = account.used / elapsed
            account.used, account.since = 0, now
        return int(account.pace * AHEAD_SECONDS) if account.next is None else 0

    def _account(self, tenant: str) -> _Account:
        account = self._accounts.get(tenant)
        if account is None:
            if len(self._accounts) >= MOST_ACCOUNTS:
                self._forget_idle()
            account = self._accounts[tenant] = _Account(self._clock())
        return account

    def _forget_idle(self) -> None:
        """Make room: who holds nothing and asks for nothing has nothing to be remembered."""
        now = self._clock()
        self._accounts = {
            tenant: account
            for tenant, account in self._accounts.items()
            if account.waiting or account.asking or (account.tokens and now < account.expires)
        }
