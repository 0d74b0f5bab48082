"""One budget for all processes: never more than the bucket and what flows into it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from streaming_runtime.aws.limits import DynamoLimits
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
