"""Open readers over a real topic: as many in all processes as one may have, and no more."""

from __future__ import annotations

import asyncio

from streaming_runtime.core.lease_ledger import SILENT_MS
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.shared_limits import KafkaLimits
from tests.eventually import eventually
from tests.kafka.proxy import Proxy
from tests.kafka.shared import running_limits

MOST = 10


async def opened(limits: KafkaLimits, readers: int, tenant: str = "acme") -> int:
    """Open so many at once; return how many were let in."""
    return sum(await asyncio.gather(*[limits.readers.open(tenant) for _ in range(readers)]))


def closed(limits: KafkaLimits, readers: int) -> None:
    for _ in range(readers):
        limits.readers.close("acme")


async def until_opened(limits: KafkaLimits, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not await limits.readers.open("acme"):
            await asyncio.sleep(0.05)


async def test_two_processes_have_as_many_as_one_may_have(settings: KafkaSettings) -> None:
    async with (
        running_limits(settings, 1, 1, MOST) as one,
        running_limits(settings, 1, 1, MOST) as other,
    ):
        counts = await asyncio.gather(*[opened(limits, 8) for limits in (one, other)])

        assert sum(counts) == MOST
        assert min(counts) >= 1
        assert await opened(one, 3, "another") == 3
        # One that leaves makes room where it was at once, and elsewhere in a moment.
        closed(one, 1)
        assert await opened(one, 2) == 1
        closed(one, 1)
        await until_opened(other, 3)
        assert await opened(one, 1) == await opened(other, 1) == 0


async def test_those_of_one_that_was_alone_count_when_another_comes(
    settings: KafkaSettings,
) -> None:
    async with running_limits(settings, 1, 1, MOST) as one:
        assert await opened(one, MOST + 2) == MOST
        closed(one, 2)
        async with running_limits(settings, 1, 1, MOST) as other:
            assert await opened(other, 5) == 2

        await eventually(lambda: one._is_alone)
        assert await opened(one, 5) == 2


async def test_the_readers_of_a_killed_process_are_no_more(settings: KafkaSettings) -> None:
    async with running_limits(settings, 1, 1, MOST) as one:
        async with running_limits(settings, 1, 1, MOST, says_goodbye=False) as killed:
            assert await opened(killed, 7) == 7
            assert await opened(one, 7) == 3
        await until_opened(one, SILENT_MS / 1_000 + 5)


async def test_who_does_not_wait_for_its_place_gives_it_back(settings: KafkaSettings) -> None:
    async with (
        running_limits(settings, 1, 1, MOST) as one,
        running_limits(settings, 1, 1, MOST) as other,
    ):
        for _ in range(5):
            opening = [asyncio.ensure_future(one.readers.open("acme")) for _ in range(MOST)]
            await asyncio.sleep(0.002)
            for task in opening:
                task.cancel()
            done = await asyncio.gather(*opening, return_exceptions=True)
            closed(one, sum(each is True for each in done))

        for _ in range(MOST):
            await until_opened(other, 3)
        assert not await other.readers.open("acme")


async def test_without_kafka_each_has_its_part(
    settings: KafkaSettings, proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    async with (
        running_limits(settings, 1, 1, MOST),
        running_limits(proxied_settings, 1, 1, MOST, says_goodbye=False) as cut_off,
    ):
        assert await opened(cut_off, 1) == 1
        proxy.switch("hold")
        assert await opened(cut_off, MOST) == MOST // 2 - 1

        await eventually(lambda: cut_off._part() == 2, 10)
        assert await opened(cut_off, 1) == 0
        closed(cut_off, 2)
        assert await opened(cut_off, MOST) == 2
        proxy.switch("pass")
        await eventually(lambda: cut_off._part() == 0, 15)
        assert await opened(cut_off, MOST) == MOST // 2


async def test_a_limit_that_is_off_counts_nothing(settings: KafkaSettings) -> None:
    async with running_limits(settings, 1, 1) as limits:
        assert await opened(limits, 1_000) == 1_000
        closed(limits, 1_000)
        assert limits.readers.holds() == {}
