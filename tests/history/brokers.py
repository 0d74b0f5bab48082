"""The brokers of a run: real ones, with what the nemesis does to them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError

from local.broker import Broker
from local.cluster import Cluster

ASK_SECONDS = 10.0
KEPT_MS = 2_000
TRIES = 20


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
        """Return where each partition of a topic ends; nothing while another fault is at work."""
        try:
            async with asyncio.timeout(ASK_SECONDS), self._consumer() as consumer:
                await consumer.topics()
                partitions = consumer.partitions_for_topic(topic) or ()
                asked = [TopicPartition(topic, number) for number in partitions]
                ends = await consumer.end_offsets(asked)
        except (KafkaError, TimeoutError):
            return {}
        return {place.partition: end for place, end in ends.items()}

    async def delete_before(self, topic: str, offsets: Mapping[int, int]) -> list[Deleted]:
        """Delete the records before these offsets, and return where that was done.

        Shape:   what nobody can tell the outcome of is looked up: it counts if it was done.
        """
        if not offsets:
            return []
        asked = {TopicPartition(topic, n): RecordsToDelete(end) for n, end in offsets.items()}
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(ASK_SECONDS), self._admin() as admin:
                await admin.delete_records(asked)
        found = [await self._deleted(place) for place in asked]
        return [deleted for deleted in found if deleted.before]

    async def _deleted(self, place: TopicPartition) -> Deleted:
        """Return what is gone of a partition, asked until it is told.

        Raises:  AssertionError if the brokers never tell.
        """
        for _ in range(TRIES):
            try:
                async with asyncio.timeout(ASK_SECONDS), self._consumer() as consumer:
                    before = (await consumer.beginning_offsets([place]))[place]
                    consumer.assign([place])
                    consumer.seek(place, before)
                    found = await consumer.getmany(place, timeout_ms=KEPT_MS, max_records=1)
                    headers = dict(found[place][0].headers) if found.get(place) else {}
                    kept = headers.get("source")
                    return Deleted(place.partition, before, kept.decode() if kept else None)
            except (KafkaError, TimeoutError):
                await asyncio.sleep(0.2)
        raise AssertionError(f"nobody tells where {place} begins")

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
