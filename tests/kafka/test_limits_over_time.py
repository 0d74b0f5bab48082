"""Processes that come, go, stand still and die: however the log lies between them, one budget."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from streaming_runtime.core.lease_ledger import Entry
from streaming_runtime.core.lease_terms import LeaseTerms
from streaming_runtime.core.takes import Take, bucket_of
from streaming_runtime.kafka.lease_entries import encode
from streaming_runtime.kafka.lease_log import LOOK_BACK_MS, LeaseLog
from streaming_runtime.kafka.producer import Stored, SupervisedProducer
from streaming_runtime.kafka.shared_limits import BEAT_SECONDS, KafkaLimits

EPOCH_MS = 1_700_000_000_000
PROCESSES = 3
EVERYBODY = (1 << PROCESSES) - 1

# What passes, who does what how often, and who writes and reads afterwards: the more bits the
# rarer it is that somebody stands still.
masks = st.integers(0, EVERYBODY) | st.just(EVERYBODY)
steps = st.tuples(
    st.integers(0, 150) | st.integers(0, 2_000),
    st.sampled_from(["take", "take", "claim", "claim", "start", "leave", "kill", "stall"]),
    st.integers(0, PROCESSES - 1),
    st.integers(1, 12),
    masks,
    masks,
)


class Log:
    """The topic: values in their order, stamped with its own time."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.records: list[Any] = []

    def seconds(self) -> float:
        return self.now_ms / 1_000

    def append(self, value: bytes) -> int:
        offset, at = len(self.records), EPOCH_MS + self.now_ms
        self.records.append(SimpleNamespace(offset=offset, value=value, timestamp=at))
        return offset

    def beginning(self) -> int:
        """Return where somebody begins to read who starts now."""
        if not self.records:
            return 0
        since = self.records[-1].timestamp - LOOK_BACK_MS
        return int(next(r.offset for r in self.records if r.timestamp >= since))


class Replica:
    """One process, with what it has written and what it has not read yet."""

    def __init__(self, log: Log, per_second: int, burst: int) -> None:
        self.log = log
        self._written: list[tuple[bytes, asyncio.Future[Stored]]] = []
        producer = cast(SupervisedProducer, self)
        nothing: Any = None
        terms = LeaseTerms.of(per_second, burst)
        self._leases = LeaseLog("limits", producer, nothing, nothing, terms, log.seconds)
        self._read_to = log.beginning()
        self._leases._begins_full = self._read_to == 0
        self.limits = KafkaLimits(self._leases, producer, per_second, burst, 0, log.seconds)
        self._beat_at = -1.0
        # For so many steps it neither writes nor reads, and answers all the same.
        self.stalled = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def send(self, topic: str, key: bytes, value: bytes, headers: object) -> Stored:
        stored: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        self._written.append((value, stored))
        return await stored

    @property
    def counts_apart(self) -> bool:
        return self.log.seconds() >= self._leases.fresh_until or self.limits._is_held

    def is_alone(self) -> bool:
        return self.limits._is_alone

    def does(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def beat(self) -> None:
        if self.log.seconds() - self._beat_at >= BEAT_SECONDS:
            self._beat_at = self.log.seconds()
            self.does(self.limits.announce())

    def write(self) -> None:
        for value, stored in self._written:
            offset = self.log.append(value)
            if not stored.done():
                stored.set_result(Stored(0, offset))
        self._written.clear()

    def read(self) -> None:
        unread = self.log.records[self._read_to :]
        self._read_to = len(self.log.records)
        if unread:
            self._leases._apply_all(unread)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.limits._leased.close()
        await self.limits._taking.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class World:
    """All processes, and when what they let in was asked for and answered."""

    def __init__(self, per_second: int, burst: int) -> None:
        self.log = Log()
        self.admitted: list[tuple[int, int]] = []
        # Tokens of a further limit of the same size, beside.
        self.claimed: list[tuple[int, int, int]] = []
        self._bucket = bucket_of("records", per_second, burst, "acme")
        self._sizes = per_second, burst
        self._replicas: list[Replica | None] = [None] * PROCESSES
        self.all: list[Replica] = []

    async def step(self, step: tuple[int, str, int, int, int, int]) -> None:
        pause, action, number, amount, writers, readers = step
        self.log.now_ms += pause
        replica = self._replicas[number]
        if action == "start" or replica is None:
            if replica is None:
                replica = self._replicas[number] = Replica(self.log, *self._sizes)
                self.all.append(replica)
        elif action == "kill":
            self._replicas[number] = None
        elif action == "leave":
            replica.does(replica.limits.leave())
            await _turns()
            replica.write()
            self._replicas[number] = None
        elif action == "claim":
            replica.does(self._claim(replica, amount))
        elif action == "stall":
            replica.stalled = amount
        else:
            for _ in range(amount):
                self._take(replica)
        for number, each in enumerate(self._replicas):
            if each is not None:
                each.beat()
                if each.stalled:
                    each.stalled -= 1
                    writers, readers = writers & ~(1 << number), readers & ~(1 << number)
        await self._pass_on(writers, readers)

    def _take(self, replica: Replica) -> None:
        # Without the log a process lets in its part of the limit; that is told, and not bounded.
        if replica.counts_apart:
            return
        verdict = replica.limits.take_held("acme")
        if verdict is None:
            replica.does(self._ask(replica))
        elif verdict.is_admitted:
            self.admitted.append((self.log.now_ms, self.log.now_ms))

    async def _ask(self, replica: Replica) -> None:
        begun = self.log.now_ms
        verdict = await replica.limits._leased.take("acme")
        if verdict.is_admitted:
            self.admitted.append((begun, self.log.now_ms))

    async def _claim(self, replica: Replica, tokens: int) -> None:
        if replica.counts_apart:
            return
        begun, takes = self.log.now_ms, [Take(self._bucket, tokens)]
        own = replica.limits._own()
        if own is not None:
            is_taken = own.further.take_all(takes)[-1].is_admitted
        else:
            is_taken = await replica.limits._taking.take(takes)
        if is_taken:
            # What is above a whole bucket is a debt, and paid before anything is taken again.
            self.claimed.append((begun, self.log.now_ms, min(tokens, self._sizes[1])))

    async def _pass_on(self, writers: int, readers: int) -> None:
        for _ in range(2):
            await _turns()
            for number, replica in enumerate(self._replicas):
                if replica is not None and writers >> number & 1:
                    replica.write()
            for number, replica in enumerate(self._replicas):
                if replica is not None and readers >> number & 1:
                    replica.read()
            await _turns()


async def _turns() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


def most_over(taken: list[tuple[int, int, int]], per_second: int, burst: int) -> float:
    """Return by how much the worst window is above what it may see."""
    worst = -float(burst)
    for begun, _, _ in taken:
        total = 0
        for end, tokens in sorted((end, tokens) for sent, end, tokens in taken if sent >= begun):
            total += tokens
            worst = max(worst, total - burst - (end - begun) * per_second / 1_000)
    return worst


async def _run(per_second: int, burst: int, steps: list[Any]) -> World:
    world = World(per_second, burst)
    for step in steps:
        await world.step(step)
    for replica in world.all:
        await replica.end()
    return world


async def test_who_was_not_alone_for_a_moment_tells_of_it_before_it_counts_alone_again() -> None:
    log = Log()
    process = Replica(log, 10, 20)
    process.does(process.limits.announce())
    await _turns()
    process.write()
    process.read()
    assert process.is_alone()

    # Its reading stands still: another one comes and goes, and its own next beat is behind that.
    for entry in (Entry("b", 1, "shared"), Entry("b", 2, "gone")):
        log.append(encode(entry))
    process.does(process.limits.announce())
    await _turns()
    process.write()
    process.read()

    assert not process.is_alone()
    await _turns()
    in_memory = [process.limits.take_held("acme") for _ in range(30)]
    process.write()
    process.read()
    ledger = process._leases.ledger
    taken = sum(verdict is not None and verdict.is_admitted for verdict in in_memory)
    assert taken + ledger.level("acme", process._leases.now_ms()) <= 20
    await process.end()


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 40), st.integers(2, 60), st.lists(steps, max_size=60))
def test_no_window_sees_more_than_the_limit_over_all_processes(
    per_second: int, burst: int, told: list[Any]
) -> None:
    world = asyncio.run(_run(per_second, burst, told))

    requests = [(begun, heard, 1) for begun, heard in world.admitted]
    assert most_over(requests, per_second, burst) <= 0
    assert most_over(world.claimed, per_second, burst) <= 0
