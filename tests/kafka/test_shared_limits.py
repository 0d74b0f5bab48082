"""Limits over a real topic: alone in memory, beside others by the log, without Kafka in parts."""

from __future__ import annotations

import asyncio
import time

import pytest

from streaming_runtime.core.entries import BadEntry
from streaming_runtime.core.lease_ledger import SILENT_MS, Ask, Entry, Left
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.core.takes import Take
from streaming_runtime.kafka.lease_entries import decode, encode
from streaming_runtime.kafka.shared_limits import KafkaLimits
from tests.eventually import eventually
from tests.kafka.parts import everything_in
from tests.kafka.proxy import Proxy
from tests.kafka.shared import running_limits

RATE, BURST = 20, 40


async def entries(settings: KafkaSettings) -> list[Entry]:
    records = await everything_in(settings, settings.limits_topic, 0)
    return [decode(record.value) for record in records]


def let_in(limits: KafkaLimits, requests: int, tenant: str = "acme") -> int:
    """Ask without waiting; return how many were let in."""
    verdicts = [limits.take_held(tenant) for _ in range(requests)]
    return sum(verdict is not None and verdict.is_admitted for verdict in verdicts)


async def test_a_process_that_is_alone_counts_in_memory(settings: KafkaSettings) -> None:
    async with running_limits(settings, RATE, BURST) as limits:
        assert let_in(limits, BURST) == BURST
        refused = limits.take_held("acme")

    assert refused is not None and not refused.is_admitted
    assert all(entry.ask is None for entry in await entries(settings))


async def test_what_it_has_used_is_told_to_one_that_comes(settings: KafkaSettings) -> None:
    async with running_limits(settings, RATE, BURST) as one:
        begun = time.monotonic()
        used = let_in(one, BURST - 10)
        async with running_limits(settings, RATE, BURST) as other:
            first = await asyncio.gather(*[other.take("acme") for _ in range(BURST)])
            used += sum(verdict.is_admitted for verdict in first)

            assert used <= BURST + RATE * (time.monotonic() - begun)
            assert (await other.take("unused")).is_admitted
            assert (await one.take("unused")).is_admitted
            # Neither of them has any left in its memory.
            assert let_in(one, BURST, "fresh") == let_in(other, BURST, "fresh") == 0


async def test_who_is_alone_again_counts_in_memory_again(settings: KafkaSettings) -> None:
    async with running_limits(settings, RATE, BURST) as one:
        async with running_limits(settings, RATE, BURST):
            assert one.take_held("acme") is None

        await eventually(lambda: let_in(one, 1) == 1)


async def test_a_restart_gives_nobody_a_new_burst(settings: KafkaSettings) -> None:
    begun = time.monotonic()
    async with running_limits(settings, RATE, BURST) as before:
        used = let_in(before, BURST)

    async with running_limits(settings, RATE, BURST) as after:
        used += let_in(after, BURST)
        fresh = let_in(after, BURST, "other")

    assert used <= BURST + RATE * (time.monotonic() - begun)
    assert fresh == BURST


async def test_a_killed_process_is_waited_for_and_part_of_the_limit_goes_on_meanwhile(
    settings: KafkaSettings,
) -> None:
    async with running_limits(settings, RATE, BURST, says_goodbye=False) as killed:
        used = let_in(killed, BURST)

    begun = time.monotonic()
    async with running_limits(settings, RATE, BURST) as limits:
        assert used == BURST
        used_meanwhile = 0
        while time.monotonic() < begun + 1:
            used_meanwhile += let_in(limits, 1)
            await asyncio.sleep(0.01)
        await eventually(lambda: limits._is_alone, SILENT_MS / 1_000 + 5)

    assert 0 < used_meanwhile <= 1 + RATE / 2 * 1.1


async def test_without_kafka_each_has_its_part_and_with_it_all_again(
    settings: KafkaSettings, proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    async with (
        running_limits(settings, RATE, BURST),
        running_limits(proxied_settings, RATE, BURST, says_goodbye=False) as cut_off,
    ):
        proxy.switch("hold")
        await eventually(lambda: cut_off.take_held("acme") is not None, 10)
        begun, used = time.monotonic(), 0
        while time.monotonic() < begun + 1:
            used += let_in(cut_off, 1)
            await asyncio.sleep(0.01)
        assert RATE / 4 <= used <= 1 + RATE / 2 * 1.1

        proxy.switch("pass")
        await eventually(lambda: cut_off.take_held("acme") is None, 15)


def test_an_entry_is_read_back_as_it_was_written() -> None:
    for entry in (
        Entry("a", 1, "alone"),
        Entry("a", 2, "shared", Ask("acme", 3, 4)),
        Entry("a", 3, "gone", None, True, Left({"acme": 5}, {"bytes:1:2:acme": 6}, 7)),
        Entry("a", 4, "shared", takes=((Take("bytes:1:2:acme", 9), Take("records:1:2:acme")),)),
        Entry("a", 6, "alone", debts={"bytes:1:2:acme": 1_700_000_000}),
        Entry("a", 5, "alone", holds={"readers:9:9:acme": 3}, opens={"readers:9:9:acme": 1}),
    ):
        assert decode(encode(entry)) == entry


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        b'{"by":"a","number":1,"presence":"here"}',
        encode(Entry("a", 1, "shared", Ask("acme", -1))),
        encode(Entry("a", 1, "shared", Ask("acme", 1, -1))),
        encode(Entry("a", 1, "gone", None, True, Left({"acme": -1}))),
        encode(Entry("a", 1, "gone", None, True, Left({}, {"acme": 1}))),
        encode(Entry("a", 1, "shared", takes=((Take("bytes:1:2:acme", -1),),))),
        encode(Entry("a", 1, "shared", takes=((Take("bytes:0:2:acme"),),))),
        encode(Entry("a", 1, "shared", takes=((Take("acme"),),))),
        encode(Entry("a", 1, "shared", holds={"readers:9:9:acme": -1})),
        encode(Entry("a", 1, "shared", opens={"acme": 1})),
    ],
)
def test_what_nobody_of_us_has_written_is_no_entry(value: bytes | None) -> None:
    with pytest.raises(BadEntry):
        decode(value)
