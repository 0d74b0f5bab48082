"""The brokers of a run: real ones, with what the nemesis does to them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError

from local.broker import Broker
from local.cluster import Cluster

ASK_SECONDS = 10.0
# What is written next comes within this long, unless processing is down.
KEPT_SECONDS = 3.0
ASK_AGAIN_SECONDS = 0.2
# Longer than any other fault keeps the brokers from answering.
PATIENCE_SECONDS = 60.0
Told = TypeVar("Told")


class Deleted(NamedTuple):
    """Results before an offset are gone; ``kept`` is the source of the first that is not."""

    partition: int
    before: int
    kept: str | None


class Brokers:
    """One broker, or a cluster of them."""

    def __init__(self, brokers: list[Broker]) -> None:
        self._brokers = brokers

    @property
    def count(self) -> int:
        return len(self._brokers)

    @property
    def ports(self) -> list[int]:
        return [broker.port for broker in self._brokers]

    async def kill(self, number: int) -> None:
        self._brokers[number].kill()
        await self._brokers[number].wait()
        await self._brokers[number].stop()

    async def start_again(self, number: int) -> None:
        await self._brokers[number].start()

    def freeze(self, number: int) -> None:
        self._signal(number, signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        self._signal(number, signal.SIGCONT)

    async def ends(self, topic: str) -> dict[int, int]:
        """Return where each partition of a topic ends, asked until it is told.

        Raises:  TimeoutError if the brokers never tell.
        """
        return await _until_told(lambda: self._ends(topic))

    async def delete_before(self, topic: str, offsets: Mapping[int, int]) -> list[Deleted]:
        """Delete the records before these offsets, and return what is gone of each partition.

        Raises:  TimeoutError if the brokers never do.
        """
        asked = {TopicPartition(topic, n): RecordsToDelete(end) for n, end in offsets.items()}
        await _until_told(lambda: self._delete(asked))
        return await _until_told(lambda: self._deleted(list(asked)))

    async def _ends(self, topic: str) -> dict[int, int]:
        async with self._admin() as admin:
            (described,) = await admin.describe_topics([topic])
        places = [TopicPartition(topic, each["partition"]) for each in described["partitions"]]
        async with self._consumer() as consumer:
            ends = await consumer.end_offsets(places)
        return {place.partition: end for place, end in ends.items()}

    async def _delete(self, asked: Mapping[TopicPartition, RecordsToDelete]) -> None:
        async with self._admin() as admin:
            await admin.delete_records(dict(asked))

    async def _deleted(self, places: list[TopicPartition]) -> list[Deleted]:
        async with self._consumer() as consumer:
            begins = await consumer.beginning_offsets(places)
            consumer.assign(places)
            for place in places:
                consumer.seek(place, begins[place])
            kept = await _first_sources(consumer)
        return [Deleted(p.partition, begins[p], kept.get(p)) for p in places if begins[p]]

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
        )
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()

    @property
    def _bootstrap(self) -> str:
        return ",".join(broker.bootstrap for broker in self._brokers)

    def _signal(self, number: int, which: signal.Signals) -> None:
        pid = self._brokers[number].pid
        if pid is not None:
            os.kill(pid, which)


async def _until_told(ask: Callable[[], Awaitable[Told]]) -> Told:
    """Ask until no other fault is in the way."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                async with asyncio.timeout(ASK_SECONDS):
                    return await ask()
            except (KafkaError, TimeoutError):
                await asyncio.sleep(ASK_AGAIN_SECONDS)


async def _first_sources(consumer: AIOKafkaConsumer) -> dict[TopicPartition, str]:
    """Return the source of the first record that each partition has, or will soon have."""
    found: dict[TopicPartition, str] = {}
    deadline = time.monotonic() + KEPT_SECONDS
    while time.monotonic() < deadline and (missing := consumer.assignment() - found.keys()):
        for place, records in (await consumer.getmany(*missing, timeout_ms=500)).items():
            found[place] = dict(records[0].headers)["source"].decode()
    return found


@asynccontextmanager
async def running_brokers(count: int, directory: Path) -> AsyncIterator[Brokers]:
    """Give one broker or a cluster of three; they are gone when the block is left."""
    if count == 1:
        alone = Broker(directory / "broker")
        await alone.start()
        try:
            yield Brokers([alone])
        finally:
            await alone.stop()
        return
    cluster = Cluster(directory / "cluster")
    await cluster.start()
    try:
        yield Brokers(list(cluster.members.values()))
    finally:
        await cluster.stop()
