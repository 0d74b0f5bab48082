"""core.ports.HeldLimits, on every adapter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from streaming_runtime.core.limits import Verdict
from streaming_runtime.core.ports import HeldLimits
from streaming_runtime.core.settings import KafkaSettings
from tests.contracts.limits import BURST, LIMITS, PER_SECOND, Sharing

WINDOWS = (0.1, 0.25, 0.5, 1.0)


@pytest.fixture(params=LIMITS)
async def sharing(request: pytest.FixtureRequest, unmade: KafkaSettings) -> AsyncIterator[Sharing]:
    async with LIMITS[request.param](unmade) as sharing:
        yield sharing


async def ask(limits: HeldLimits, tenant: str = "acme") -> Verdict:
    return limits.take_held(tenant) or await limits.take(tenant)


async def use_up(sharing: Sharing, tenant: str = "acme") -> int:
    """Ask both in turn until they refuse; return how many were let in."""
    admitted = 0
    for number in range(4 * BURST):
        verdict = await ask(sharing[number % 2], tenant)
        admitted += verdict.is_admitted
    return admitted


async def test_together_they_let_in_no_more_than_one_may(sharing: Sharing) -> None:
    admitted: list[tuple[float, float]] = []
    ends = time.monotonic() + 1.5

    async def hammer(limits: HeldLimits) -> None:
        while (begun := time.monotonic()) < ends:
            if (await ask(limits)).is_admitted:
                admitted.append((begun, time.monotonic()))
            else:
                await asyncio.sleep(0.01)

    await asyncio.gather(*[hammer(limits) for limits in sharing for _ in range(6)])

    for begun, _ in admitted:
        for window in WINDOWS:
            inside = [1 for sent, heard in admitted if sent >= begun and heard <= begun + window]
            assert len(inside) <= BURST + PER_SECOND * window
    # What flowed into the buckets before the second process came is not known to it.
    assert len(admitted) >= 0.8 * PER_SECOND * 1.5


async def test_after_retry_after_the_other_one_lets_in_too(sharing: Sharing) -> None:
    await use_up(sharing)
    refused = await ask(sharing.one)
    while refused.is_admitted:
        refused = await ask(sharing.one)

    await asyncio.sleep(refused.retry_after_seconds)

    assert (await ask(sharing.other)).is_admitted
    assert (await ask(sharing.one)).is_admitted


async def test_one_tenant_takes_nothing_from_another(sharing: Sharing) -> None:
    await use_up(sharing, "acme")

    assert (await ask(sharing.one, "other")).is_admitted
    assert (await ask(sharing.other, "third")).is_admitted


async def test_what_one_has_used_the_other_does_not_give_out_again(sharing: Sharing) -> None:
    begun = time.monotonic()
    admitted = await use_up(sharing, "acme")
    later = sum([(await ask(sharing.other)).is_admitted for _ in range(BURST)])

    assert admitted + later <= BURST + PER_SECOND * (time.monotonic() - begun)


async def test_a_steady_pace_below_the_limit_is_served(sharing: Sharing) -> None:
    await asyncio.sleep(0.5)
    refused = 0

    for number in range(20):
        refused += not (await ask(sharing[number % 2], "steady")).is_admitted
        await asyncio.sleep(2 / PER_SECOND)

    assert refused == 0
