"""Partitions that cannot be read now, or that many come back to, keep no other from being read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

from streaming_runtime.core.model import Position
from streaming_runtime.core.ports import Bounds
from streaming_runtime.kafka.results_log import Fetched, ResultsConsumer
from streaming_runtime.live.partition import LivePartition
from streaming_runtime.live.subscription import Subscription
from streaming_runtime.live.sweep import CONCURRENT_SWEEPS, Sweeps
from tests.eventually import eventually
from tests.live.entries import ENCODER, STREAM, entry

END, STEP = 10, 5


class Log(ResultsConsumer):
    """A consumer of a log in memory, whose first partitions no broker answers for."""

    def __init__(self, silent: int) -> None:
        self._silent = silent
        self._offsets: dict[int, int] = {}

    async def start(self) -> None:
        await asyncio.sleep(0)

    async def stop(self) -> None:
        await asyncio.sleep(0)

    def assign(self, offsets: Mapping[int, int]) -> None:
        self._offsets = dict(offsets)

    async def fetch(self, seconds: float, most: int | None = None) -> dict[int, Fetched]:
        [(number, offset)] = self._offsets.items()
        await asyncio.sleep(0.01)
        if number < self._silent or offset >= END:
            return {}
        self._offsets[number] = offset + STEP
        found = [entry(at, at) for at in range(offset, offset + STEP)]
        return {number: Fetched(found, offset + STEP)}

    async def position(self, partition: int) -> int:
        return self._offsets[partition]


def partition_of(number: int) -> LivePartition:
    """Return a partition whose recent results begin where the log ends."""
    return LivePartition(number, Position(END), ENCODER)


def join(sweeps: Sweeps, partition: LivePartition) -> Subscription:
    reader = Subscription(STREAM, Position(0), partition, lambda one: sweeps.serve(partition, one))
    partition.behind.add(reader)
    sweeps.serve(partition, reader)
    return reader


async def bounds(_: int) -> Bounds:
    return Bounds(0, END)


async def test_partitions_that_no_broker_answers_for_hold_up_no_other() -> None:
    sweeps = Sweeps(lambda: Log(silent=CONCURRENT_SWEEPS), ENCODER, bounds)
    partitions = [partition_of(number) for number in range(CONCURRENT_SWEEPS + 1)]
    readers = [join(sweeps, partition) for partition in partitions]

    try:
        await eventually(lambda: readers[-1].is_live)
        taken = await readers[-1].take(5)
    finally:
        await sweeps.close()

    assert [result.entry.offset for result in taken] == list(range(END))


async def test_partitions_to_which_readers_keep_coming_back_hold_up_no_other() -> None:
    sweeps = Sweeps(lambda: Log(silent=0), ENCODER, bounds)
    partitions = [partition_of(number) for number in range(CONCURRENT_SWEEPS + 1)]

    async def come_back(partition: LivePartition) -> None:
        while True:
            reader = join(sweeps, partition)
            await asyncio.sleep(random.uniform(0.01, 0.05))
            partition.leave(reader)
            reader.close()

    storms = [asyncio.ensure_future(come_back(p)) for p in partitions[:-1] for _ in range(20)]
    try:
        await asyncio.sleep(0.2)
        reader = join(sweeps, partitions[-1])
        await eventually(lambda: reader.is_live)
        taken = await reader.take(5)
    finally:
        for storm in storms:
            storm.cancel()
        await asyncio.wait(storms)
        await sweeps.close()

    assert [result.entry.offset for result in taken] == list(range(END))


async def test_one_that_gave_up_waiting_for_an_offset_is_forgotten() -> None:
    partition = partition_of(0)
    waiting = [asyncio.ensure_future(partition.reach(END + 1)) for _ in range(3)]
    await asyncio.sleep(0)

    for one in waiting:
        one.cancel()
    await asyncio.wait(waiting)

    await eventually(lambda: not partition.is_waited_for)
