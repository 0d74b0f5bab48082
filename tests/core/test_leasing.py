"""Requests let in from leased tokens: at once, in their order, never from an old lease."""

from __future__ import annotations

import asyncio

import pytest

from streaming_runtime.core import leasing
from streaming_runtime.core.errors import BrokerUnavailable, StreamingError
from streaming_runtime.core.leasing import Lease, LeasedLimits, Outlook


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Store:
    """Implements LeaseStore with a number of tokens; answers when it is told to."""

    hold_seconds = 0.5
    wait_seconds = 5.0

    def __init__(self, tokens: int = 1_000) -> None:
        self.tokens = tokens
        self.asked: list[tuple[int, int]] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.failure: StreamingError | None = None

    def outlook(self, tenant: str, taken: int) -> Outlook:
        return Outlook(self.tokens - taken, 2.5)

    async def lease(self, tenant: str, direct: int, ahead: int) -> Lease:
        self.asked.append((direct, ahead))
        await self.answers.wait()
        if self.failure is not None:
            raise self.failure
        direct = min(direct, self.tokens)
        ahead = min(ahead, self.tokens - direct)
        self.tokens -= direct + ahead
        return Lease(direct, ahead)


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def with_a_lease(store: Store, clock: Clock, pace: int = 100) -> LeasedLimits:
    """Give limits of a tenant that came at such a pace, and holds its first lease."""
    limits = LeasedLimits(store, 1_000, clock)
    taken = [asyncio.ensure_future(limits.take("acme")) for _ in range(pace)]
    await asyncio.gather(*taken)
    clock.now += 1
    assert (await limits.take("acme")).is_admitted
    return limits


async def test_who_waits_is_asked_for_together_and_nothing_else(clock: Clock) -> None:
    store = Store()
    limits = LeasedLimits(store, 1_000, clock)

    verdicts = await asyncio.gather(*[limits.take("acme") for _ in range(7)])

    assert all(verdict.is_admitted for verdict in verdicts)
    assert sum(direct for direct, _ in store.asked) == 7
    assert sum(ahead for _, ahead in store.asked) == 0
    assert limits.take_held("acme") is None


async def test_a_lease_is_as_large_as_the_pace_and_serves_without_asking(clock: Clock) -> None:
    store = Store()
    limits = await with_a_lease(store, clock, pace=100)
    asked = len(store.asked)

    verdicts = [limits.take_held("acme") for _ in range(9)]

    assert store.asked[-1] == (1, 20)
    assert all(verdict is not None and verdict.is_admitted for verdict in verdicts)
    await turns()
    assert len(store.asked) == asked


async def test_the_next_lease_is_asked_for_when_half_of_the_last_is_used(clock: Clock) -> None:
    store = Store()
    limits = await with_a_lease(store, clock, pace=100)
    asked = len(store.asked)

    clock.now += 0.1
    for _ in range(10):
        assert limits.take_held("acme") is not None
    await turns()

    assert len(store.asked) == asked + 1
    direct, ahead = store.asked[-1]
    assert direct == 0
    assert ahead > 0
    # What was held comes first, then the next.
    for _ in range(10 + ahead):
        assert limits.take_held("acme") is not None


async def test_a_lease_is_not_used_when_it_is_over(clock: Clock) -> None:
    store = Store()
    limits = await with_a_lease(store, clock)
    assert limits.take_held("acme") is not None

    clock.now += store.hold_seconds

    assert limits.take_held("acme") is None


async def test_nobody_overtakes_who_waits(clock: Clock) -> None:
    store = Store()
    store.answers.clear()
    limits = LeasedLimits(store, 1_000, clock)
    order: list[int] = []

    async def one(number: int) -> None:
        if limits.take_held("acme") is None:
            await limits.take("acme")
        order.append(number)

    first = [asyncio.ensure_future(one(number)) for number in range(5)]
    await turns()
    account = limits._accounts["acme"]
    account.tokens, account.expires = 3, clock.now + 9
    later = [asyncio.ensure_future(one(number)) for number in range(5, 8)]
    await turns()
    store.answers.set()
    await asyncio.gather(*first, *later)

    assert order == list(range(8))


async def test_without_tokens_one_is_refused_at_once_and_nobody_is_asked(clock: Clock) -> None:
    store = Store(tokens=0)
    limits = LeasedLimits(store, 1_000, clock)

    verdict = await limits.take("acme")

    assert (verdict.is_admitted, verdict.remaining) == (False, 0)
    assert verdict.retry_after_seconds == 3
    assert store.asked == []


async def test_more_than_there_are_do_not_wait(clock: Clock) -> None:
    store = Store(tokens=3)
    store.answers.clear()
    limits = LeasedLimits(store, 1_000, clock)
    asking = [asyncio.ensure_future(limits.take("acme")) for _ in range(5)]
    await turns()

    assert [task.done() for task in asking] == [False] * 3 + [True] * 2
    store.answers.set()
    verdicts = await asyncio.gather(*asking)
    assert [verdict.is_admitted for verdict in verdicts] == [True] * 3 + [False] * 2


async def test_who_gets_nothing_is_told_when_to_come_back(clock: Clock) -> None:
    store = Store(tokens=2)
    store.answers.clear()
    limits = LeasedLimits(store, 1_000, clock)
    asking = [asyncio.ensure_future(limits.take("acme")) for _ in range(2)]
    await turns()
    store.tokens = 1  # Others were first.
    store.answers.set()
    verdicts = await asyncio.gather(*asking)

    assert [verdict.is_admitted for verdict in verdicts] == [True, False]
    assert verdicts[1].retry_after_seconds == 3


async def test_a_store_that_fails_or_is_silent_is_told_of(clock: Clock) -> None:
    store = Store()
    store.wait_seconds = 0.02
    store.failure = BrokerUnavailable("no table")
    limits = LeasedLimits(store, 1_000, clock)
    with pytest.raises(BrokerUnavailable, match="no table"):
        await limits.take("acme")
    store.failure = None
    store.answers.clear()

    with pytest.raises(BrokerUnavailable, match="in time"):
        await limits.take("acme")
    store.answers.set()
    await turns()
    assert (await limits.take("acme")).is_admitted
    await limits.close()


async def test_who_left_while_waiting_costs_nobody_else_a_place(clock: Clock) -> None:
    store = Store()
    store.answers.clear()
    limits = LeasedLimits(store, 1_000, clock)
    first, second = [asyncio.ensure_future(limits.take("acme")) for _ in range(2)]
    await turns()
    first.cancel()
    store.answers.set()

    assert (await second).is_admitted


async def test_tenants_that_hold_nothing_are_forgotten(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leasing, "MOST_ACCOUNTS", 50)
    store = Store(10_000)
    limits = LeasedLimits(store, 1_000, clock)

    for number in range(120):
        assert (await limits.take(f"tenant-{number}")).is_admitted
        await turns()

    assert len(limits._accounts) <= 51
    await limits.close()
