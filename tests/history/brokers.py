"""The brokers of a run: real ones, with what the nemesis does to them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from local.broker import Broker
from local.cluster import Cluster

ASK_SECONDS = 10.0
KEPT_SECONDS = 2.0


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
        """Return where each partition of a topic ends."""
        return await asyncio.to_thread(self._ends, topic)

    async def delete_before(self, topic: str, offsets: Mapping[int, int]) -> list[Deleted]:
        """Delete the records before these offsets, and return where that was done."""
        return await asyncio.to_thread(self._delete_before, topic, offsets)

    @property
    def _bootstrap(self) -> str:
        return ",".join(broker.bootstrap for broker in self._brokers)

    def _signal(self, number: int, which: signal.Signals) -> None:
        pid = self._brokers[number].pid
        if pid is not None:
            os.kill(pid, which)

    def _ends(self, topic: str) -> dict[int, int]:
        consumer = Consumer({"bootstrap.servers": self._bootstrap, "group.id": "history"})
        try:
            partitions = consumer.list_topics(topic, ASK_SECONDS).topics[topic].partitions
            return {
                number: consumer.get_watermark_offsets(TopicPartition(topic, number), ASK_SECONDS)[
                    1
                ]
                for number in partitions
            }
        except KafkaException:
            return {}  # Another fault is at work; there is nothing to delete then.
        finally:
            consumer.close()

    def _delete_before(self, topic: str, offsets: Mapping[int, int]) -> list[Deleted]:
        admin = AdminClient({"bootstrap.servers": self._bootstrap})
        asked = [TopicPartition(topic, number, offset) for number, offset in offsets.items()]
        if not asked:
            return []
        deleted = []
        for place, future in admin.delete_records(asked, request_timeout=ASK_SECONDS).items():
            try:
                before = future.result(2 * ASK_SECONDS).low_watermark
            except KafkaException:
                continue
            kept = self._source_at(TopicPartition(topic, place.partition, before))
            deleted.append(Deleted(place.partition, before, kept))
        return deleted

    def _source_at(self, place: TopicPartition) -> str | None:
        """Return the source of the first result that is left, None if there is none."""
        consumer = Consumer({"bootstrap.servers": self._bootstrap, "group.id": "history"})
        try:
            consumer.assign([place])
            message = consumer.poll(KEPT_SECONDS)
            headers = dict((message.headers() if message is not None else None) or ())
            source = headers.get("source")
            return source.decode() if isinstance(source, bytes) else None
        finally:
            consumer.close()


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
