"""core.takes.SharedTakes, on every adapter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.core.takes import SharedTakes, Take, bucket_of
from tests.contracts.limits import TAKES, Taking

PER_SECOND, BURST = 200, 400
RECORDS = bucket_of("records", PER_SECOND, BURST, "acme")
BYTES = bucket_of("bytes", 10_000, 20_000, "acme")
# Nothing of note flows in while a test runs.
SLOW = bucket_of("starts", 1, 40, "acme")
SLOWER = bucket_of("stream", 1, 40, "acme/a")
WINDOWS = (0.1, 0.25, 0.5, 1.0)


@pytest.fixture(params=TAKES)
async def taking(request: pytest.FixtureRequest, unmade: KafkaSettings) -> AsyncIterator[Taking]:
    async with TAKES[request.param](unmade) as taking:
        yield taking


async def is_taken(taking: SharedTakes, *takes: Take) -> bool:
    told = await taking.take_all(takes)
    assert all(verdict.is_admitted for verdict in told[:-1])
    assert told[-1].is_admitted is (told[-1].retry_after_seconds == 0)
    return told[-1].is_admitted and len(told) == len(takes)


async def test_together_they_take_no_more_than_one_may(taking: Taking) -> None:
    taken: list[tuple[float, float, int]] = []
    ends = time.monotonic() + 1.5

    async def hammer(one: SharedTakes, records: int) -> None:
        while (begun := time.monotonic()) < ends:
            if await is_taken(one, Take(RECORDS, records), Take(BYTES, 10 * records)):
                taken.append((begun, time.monotonic(), records))
            else:
                await asyncio.sleep(0.01)

    await asyncio.gather(*[hammer(one, n) for one in taking for n in (1, 5, 60)])

    for begun, _, _ in taken:
        for window in WINDOWS:
            inside = [n for sent, heard, n in taken if sent >= begun and heard <= begun + window]
            assert sum(inside) <= BURST + PER_SECOND * window
    # What emulates a table takes its time.
    assert sum(records for _, _, records in taken) >= 0.5 * PER_SECOND


async def test_of_several_all_are_taken_or_none(taking: Taking) -> None:
    assert await is_taken(taking.one, Take(SLOW, 30), Take(SLOWER, 5))
    assert not await is_taken(taking.other, Take(SLOWER, 20), Take(SLOW, 20))
    # What the second refused was not taken of the first.
    assert await is_taken(taking.one, Take(SLOWER, 33))


async def test_after_retry_after_the_other_one_has_it_too(taking: Taking) -> None:
    takes = Take(RECORDS, 150), Take(BYTES, 1)
    told = await taking.one.take_all(takes)
    while told[-1].is_admitted:
        told = await taking.one.take_all(takes)

    await asyncio.sleep(told[-1].retry_after_seconds)

    assert await is_taken(taking.other, *takes)


async def test_more_than_a_bucket_holds_needs_a_full_one_and_leaves_a_debt(taking: Taking) -> None:
    large = bucket_of("bytes", 100, 200, "large")

    assert await is_taken(taking.one, Take(large, 500))
    [refused] = await taking.other.take_all([Take(large, 1)])

    assert not refused.is_admitted
    assert 2 <= refused.retry_after_seconds <= 5


async def test_what_is_left_is_told(taking: Taking) -> None:
    [first] = await taking.one.take_all([Take(SLOW, 10)])
    [second] = await taking.other.take_all([Take(SLOW, 10)])

    assert 28 <= first.remaining <= 30
    assert 18 <= second.remaining <= 21
    assert 0 < second.reset_seconds <= 2


async def test_a_limit_of_another_size_is_another_limit(taking: Taking) -> None:
    assert await is_taken(taking.one, Take(bucket_of("key", 1, 5, "k"), 5))

    assert await is_taken(taking.other, Take(bucket_of("key", 1, 6, "k"), 5))
    assert not await is_taken(taking.other, Take(bucket_of("key", 1, 5, "k"), 4))
