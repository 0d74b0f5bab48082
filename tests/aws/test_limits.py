"""One budget for all processes: never more than the bucket and what flows into it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from streaming_runtime.aws.limits import DynamoLeases, DynamoLimits
from streaming_runtime.core.leasing import Lease
from tests.aws.table import dynamo, emulated_table


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def processes(clock: Clock) -> Iterator[list[DynamoLimits]]:
    with emulated_table(), dynamo() as one, dynamo() as other:
        yield [DynamoLimits(each, 10, 20, clock) for each in (one, other)]


async def admitted(processes: list[DynamoLimits], requests: int, tenant: str = "acme") -> int:
    asked = (processes[n % len(processes)].take(tenant) for n in range(requests))
    return sum(verdict.is_admitted for verdict in await asyncio.gather(*asked))


async def test_processes_together_admit_the_burst_and_no_request_more(
    processes: list[DynamoLimits],
) -> None:
    assert [(await processes[n % 2].take("acme")).is_admitted for n in range(22)] == [
        *[True] * 20,
        False,
        False,
    ]
    assert await admitted(processes, 5) == 0
    assert await admitted(processes, 1, "other") == 1


async def test_many_at_once_never_get_more_than_there_is(processes: list[DynamoLimits]) -> None:
    assert await admitted(processes, 60) <= 20
    rest = 0
    while (await processes[0].take("acme")).is_admitted:
        rest += 1
        assert rest <= 20
    assert not (await processes[1].take("acme")).is_admitted


async def test_what_flows_in_is_admitted_again(processes: list[DynamoLimits], clock: Clock) -> None:
    for _ in range(20):
        await processes[0].take("acme")
    clock.now += 0.35

    verdicts = [await processes[n % 2].take("acme") for n in range(4)]

    assert [verdict.is_admitted for verdict in verdicts] == [True, True, True, False]


async def test_a_request_after_retry_after_succeeds(
    processes: list[DynamoLimits], clock: Clock
) -> None:
    for _ in range(20):
        await processes[0].take("acme")
    refused = await processes[1].take("acme", 15)
    clock.now += refused.retry_after_seconds

    assert not refused.is_admitted and refused.retry_after_seconds == 2
    assert (await processes[0].take("acme", 15)).is_admitted


async def test_a_count_above_the_burst_needs_a_full_bucket_and_leaves_a_debt(
    processes: list[DynamoLimits], clock: Clock
) -> None:
    await processes[0].take("acme")
    assert not (await processes[1].take("acme", 30)).is_admitted
    clock.now += 1

    assert (await processes[1].take("acme", 30)).is_admitted
    late = await processes[0].take("acme")
    assert (late.is_admitted, late.remaining) == (False, 0)


async def test_what_is_left_is_told(processes: list[DynamoLimits]) -> None:
    verdict = await processes[0].take("acme", 5)

    assert (verdict.is_admitted, verdict.remaining, verdict.reset_seconds) == (True, 15, 1)


def leases_of(processes: list[DynamoLimits], hold_ms: int = 500) -> list[DynamoLeases]:
    return [DynamoLeases(limits, hold_ms) for limits in processes]


async def test_a_lease_is_paid_for_as_if_it_were_used_at_its_last_moment(
    processes: list[DynamoLimits], clock: Clock
) -> None:
    one, other = leases_of(processes)

    assert await one.lease("acme", 2, 6) == Lease(2, 6)
    # 20 of the burst, less 8, less the 5 that flow in while it may be used.
    assert await other.lease("acme", 20, 0) == Lease(7, 0)
    clock.now += 0.5
    assert await other.lease("acme", 20, 0) == Lease(5, 0)


async def test_those_who_wait_get_what_there_is_when_it_is_less_than_they_ask_for(
    processes: list[DynamoLimits],
) -> None:
    one, other = leases_of(processes)

    assert await one.lease("acme", 17, 9) == Lease(17, 0)
    assert await other.lease("acme", 9, 9) == Lease(3, 0)
    assert await one.lease("acme", 1, 0) == Lease(0, 0)
    assert await one.lease("acme", 0, 4) == Lease(0, 0)


async def test_what_is_known_without_asking_is_never_more_than_there_is(
    processes: list[DynamoLimits], clock: Clock
) -> None:
    one, _ = leases_of(processes)
    assert one.outlook("acme", 3) == (17, 0.0)
    await one.lease("acme", 20, 0)

    told = one.outlook("acme", 0)
    clock.now += told.seconds_until_next + 0.001

    assert told.remaining == 0
    assert 0 < told.seconds_until_next <= 0.1
    assert await one.lease("acme", 1, 0) == Lease(1, 0)


async def test_a_hold_longer_than_the_bucket_gives_nothing_ahead(
    processes: list[DynamoLimits],
) -> None:
    one, _ = leases_of(processes, hold_ms=2_000)

    assert await one.lease("acme", 0, 1) == Lease(0, 0)
    assert await one.lease("acme", 1, 1) == Lease(1, 0)
