"""One partition, read from its beginning and for ever: what every process has to know of a log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.kafka.clients import START_SECONDS
from streaming_runtime.kafka.internals import ensure_alive, start, stop_consumer
from streaming_runtime.kafka.offsets import Offsets
from streaming_runtime.kafka.watermark import Watermark

log = logging.getLogger("millrace.kafka.follower")

RETRY_SECONDS = 0.5
POLL_MS = 1_000
# The loop serves others between two turns, while 100,000 records are read.
TURN_RECORDS = 1_000


class TopicReplaced(Exception):
    """The topic under a running process is another one: the process must start anew."""


class Follower:
    """Hands the records of a topic's only partition to ``apply``, in order, a turn at a time."""

    def __init__(
        self,
        topic: str,
        offsets: Offsets,
        make_consumer: Callable[[], AIOKafkaConsumer],
        apply: Callable[[Sequence[ConsumerRecord]], None],
    ) -> None:
        self.read_to = Watermark()
        self._topic = topic
        self._offsets = offsets
        self._make_consumer = make_consumer
        self._apply = apply

    async def catch_up(self) -> None:
        """Wait until everything written so far, by anybody, has been read; the deadline is yours.

        Raises:  BrokerUnavailable.
        """
        bounds = await self._offsets.bounds(self._topic, 0)
        await self.read_to.reach(bounds.end)

    async def follow(self) -> None:
        """Read the topic until cancelled; a fault of Kafka is waited out.

        Raises:  TopicReplaced.
        """
        while True:
            consumer = self._make_consumer()
            try:
                async with asyncio.timeout(START_SECONDS):
                    await start(consumer)
                await self._read(consumer)
            except (KafkaError, BrokerUnavailable, TimeoutError, OSError) as exc:
                log.warning(
                    "a topic cannot be read: what is known of it stands, and it is tried again",
                    extra={"topic": self._topic, "reason": repr(exc)},
                )
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                await stop_consumer(consumer)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        partition = TopicPartition(self._topic, 0)
        consumer.assign([partition])
        bounds = await self._offsets.bounds(self._topic, 0)
        if self.read_to.offset > bounds.end:
            raise TopicReplaced(f"{self._topic} was made anew")
        # What retention or compaction has removed is not there: the next one follows.
        consumer.seek(partition, max(self.read_to.offset, bounds.earliest))
        while True:
            records = await consumer.getmany(
                partition, timeout_ms=POLL_MS, max_records=TURN_RECORDS
            )
            if not records:
                ensure_alive(consumer)
            if found := records.get(partition):
                self._apply(found)
            # Past what compaction left out, too: nobody would ever read those offsets.
            position = await consumer.position(partition)
            if position > self.read_to.offset:
                self.read_to.move(position)
                await asyncio.sleep(0)
