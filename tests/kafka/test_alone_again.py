"""A process that is left alone while it is busy counts in memory again, and nobody pays for it."""

from __future__ import annotations

import asyncio

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.core.takes import Take, bucket_of
from streaming_runtime.kafka.shared_limits import KafkaLimits
from tests.eventually import eventually
from tests.kafka.shared import running_limits

BUSY = bucket_of("records", 10_000, 20_000, "busy")
BYTES = bucket_of("bytes", 100, 200, "acme")


async def busy(limits: KafkaLimits) -> None:
    while True:
        await asyncio.gather(*[limits.take_all([Take(BUSY, 1)]) for _ in range(5)])
        await asyncio.sleep(0.01)


async def test_under_load_it_becomes_alone_and_refuses_nobody_meanwhile(
    settings: KafkaSettings,
) -> None:
    async with running_limits(settings, 10, 20) as one:
        async with running_limits(settings, 10, 20):
            load = asyncio.ensure_future(busy(one))
            await eventually(lambda: one._own() is None)
            assert (await one.take_all([Take(bucket_of("starts", 1, 4, "t"), 3)]))[-1].is_admitted
        try:
            for number in range(60):
                # Nobody ever took from these: they are full, whoever counts.
                fresh = bucket_of("starts", 1, 4, f"tenant-{number}")
                assert (await one.take_all([Take(fresh, 3)]))[-1].is_admitted
                await asyncio.sleep(0.02)
            await eventually(lambda: one._is_alone, 10)
        finally:
            load.cancel()
            await asyncio.wait({load})


async def test_a_debt_outlives_the_company_of_others(settings: KafkaSettings) -> None:
    async with running_limits(settings, 10, 20) as one:
        async with running_limits(settings, 10, 20) as other:
            await eventually(lambda: one._own() is None)
            assert (await other.take_all([Take(BYTES, 20_000)]))[-1].is_admitted
            [refused] = await one.take_all([Take(BYTES, 1)])
        await eventually(lambda: one._is_alone, 10)

        [alone] = await one.take_all([Take(BYTES, 1)])

    assert refused.retry_after_seconds > 190
    assert alone.retry_after_seconds > 180
