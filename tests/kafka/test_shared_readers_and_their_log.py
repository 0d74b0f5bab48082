"""Open readers over a log that answers when a test lets it: what is told, and what is believed."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.lease_ledger import Entry, LeaseLedger
from streaming_runtime.core.lease_terms import LeaseTerms
from streaming_runtime.core.open_readers import readers_of
from streaming_runtime.kafka import shared_readers as module
from streaming_runtime.kafka.lease_log import LeaseLog
from streaming_runtime.kafka.shared_readers import MOST_TOLD, KafkaReaders

MOST = 7
NOW_MS = 1_700_000_000_000


class Topic:
    """Implements what readers use of a LeaseLog: asks wait until ``answer`` is called."""

    process = "a"

    def __init__(self) -> None:
        self.ledger = LeaseLedger(LeaseTerms.of(1, 1))
        self.readers = KafkaReaders(cast(LeaseLog, self), MOST, lambda: 0)
        self._asked: list[tuple[Entry, asyncio.Future[int]]] = []

    async def open(self, bucket: str, has: int, wanted: int) -> int:
        entry = Entry("a", 0, "shared", holds={bucket: has}, opens={bucket: wanted})
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asked.append((entry, answer))
        return await answer

    async def answer(self) -> None:
        """Let the log grant what has been asked for."""
        for _ in range(3):
            await asyncio.sleep(0)
        for entry, answer in self._asked:
            opened = self.ledger.apply(entry, NOW_MS).opened
            answer.set_result(sum(opened.values()))
        self._asked.clear()
        for _ in range(3):
            await asyncio.sleep(0)

    async def open_all(self, count: int, tenant: str = "acme") -> int:
        opening = [asyncio.ensure_future(self.readers.open(tenant)) for _ in range(count)]
        await self.answer()
        return sum(await asyncio.gather(*opening))

    def beat(self) -> dict[str, int]:
        holds = self.readers.holds()
        self.ledger.apply(Entry("a", 0, "shared", holds=holds), NOW_MS)
        return holds

    def others_open(self, wanted: int, tenant: str = "acme") -> int:
        bucket = readers_of(tenant, MOST)
        entry = Entry("b", 0, "shared", opens={bucket: wanted})
        return self.ledger.apply(entry, NOW_MS).opened[bucket]


async def test_what_an_ask_lets_go_of_is_not_used_behind_its_back() -> None:
    topic = Topic()
    assert await topic.open_all(5) == 5
    asking = asyncio.ensure_future(topic.readers.open("acme"))
    for _ in range(2):
        topic.readers.close("acme")
    for _ in range(3):
        await asyncio.sleep(0)

    behind = [asyncio.ensure_future(topic.readers.open("acme")) for _ in range(4)]
    await topic.answer()
    await topic.answer()
    ours = 3 + sum(await asyncio.gather(asking, *behind))

    assert ours + topic.others_open(MOST) == MOST


async def test_readers_of_many_tenants_are_told_in_turn_and_in_bounded_entries() -> None:
    topic = Topic()
    tenants = [f"t{number}" for number in range(2 * MOST_TOLD + 50)]
    for tenant in tenants:
        assert await topic.open_all(2, tenant) == 2
        topic.readers.close(tenant)

    told = [topic.beat() for _ in range(6)]

    assert max(map(len, told)) <= 2 * MOST_TOLD
    assert len(set().union(*told)) == len(tenants)
    for tenant in tenants:
        # What was told to be free is not used here any more without asking.
        assert topic.others_open(MOST, tenant) == MOST - 1
        assert await topic.open_all(1, tenant) == 0


async def test_a_place_that_is_granted_in_the_moment_of_giving_up_is_one_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Prompt(Topic):
        """Answers in the turn of the loop in which a time-out of nothing is over."""

        async def open(self, bucket: str, has: int, wanted: int) -> int:
            entry = Entry("a", 0, "shared", holds={bucket: has}, opens={bucket: wanted})
            return sum(self.ledger.apply(entry, NOW_MS).opened.values())

    monkeypatch.setattr(module, "WAIT_SECONDS", 0)
    topic = Prompt()

    assert await topic.readers.open("acme")

    topic.readers.close("acme")
    assert topic.beat() == {readers_of("acme", MOST): 0}
    assert topic.others_open(MOST) == MOST


async def test_without_an_answer_a_process_opens_its_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.02)
    topic = Topic()
    topic.ledger.apply(Entry("b", 1, "shared"), NOW_MS)

    opened = await asyncio.gather(*[topic.readers.open("acme") for _ in range(MOST)])
    for _, answer in topic._asked:
        answer.set_exception(BrokerUnavailable())
    await asyncio.sleep(0)

    assert sum(opened) == MOST // 2


async def test_at_the_limit_nobody_is_asked_again_and_again() -> None:
    topic = Topic()
    assert await topic.open_all(2) == 2
    assert topic.others_open(MOST) == MOST - 2

    assert [await topic.readers.open("acme") for _ in range(50)] == [False] * 50
    assert topic._asked == []
