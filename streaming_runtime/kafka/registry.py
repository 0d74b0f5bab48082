"""The registry of streams on a compacted topic: nothing else to run, and every replica has it all.

Each process reads the whole topic into memory and goes on reading. A write is answered when the
writer has read it back; a look-up that finds nothing first reads up to the topic's end, so what any
replica has written is found on every replica.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord

from streaming_runtime.core.entries import (
    INCARNATION_PREFIX,
    BadEntry,
    announcement,
    from_json,
    merged,
    read_announcement,
    to_json,
)
from streaming_runtime.core.errors import BrokerUnavailable, OutcomeUnknown
from streaming_runtime.core.key_entries import KEY_PREFIX, KeysInMemory
from streaming_runtime.core.model import Incarnation, Stream, new_incarnation
from streaming_runtime.kafka.clients import CALL_SECONDS
from streaming_runtime.kafka.follower import Follower
from streaming_runtime.kafka.offsets import Offsets
from streaming_runtime.kafka.overdue import Overdue
from streaming_runtime.kafka.producer import SupervisedProducer

log = logging.getLogger("millrace.kafka.registry")

CATCH_UP_SECONDS = 2 * CALL_SECONDS
# So near its end a tenant's list is looked through step by step: a search of all takes 20.
NEAR = 8


class KafkaRegistry:
    """Implements core.ports.StreamRegistry and OverdueStreams over the ``streams`` topic."""

    def __init__(
        self,
        topic: str,
        producer: SupervisedProducer,
        offsets: Offsets,
        make_consumer: Callable[[], AIOKafkaConsumer],
    ) -> None:
        self._topic = topic
        self._producer = producer
        self._follower = Follower(topic, offsets, make_consumer, self._apply_all)
        self._streams: dict[str, Stream] = {}
        self._by_tenant: dict[str, list[str]] = {}
        self._overdue = Overdue()
        # They stand in the same log, so that nothing else has to be followed for them.
        self.issued = KeysInMemory()
        self._incarnation: Incarnation | None = None
        self._reincarnated = asyncio.Event()

    @property
    def incarnation(self) -> Incarnation | None:
        """The incarnation of the topics that counts for everybody, as far as the log is read."""
        return self._incarnation

    async def put(self, stream: Stream) -> None:
        if (known := self._streams.get(stream.stream_id)) is not None:
            stream = merged(known, stream)
        await self.write(stream.stream_id.encode(), to_json(stream))
        latest = self._streams.get(stream.stream_id, stream)
        if (latest.ended_at, latest.end_source) != (stream.ended_at, stream.end_source):
            # Somebody wrote the end before us, and compaction will keep only the last entry.
            await self.write(stream.stream_id.encode(), to_json(latest))

    @property
    def read_offset(self) -> int:
        """How far the log has been read."""
        return self._follower.read_to.offset

    def at_hand(self, stream_id: str) -> Stream | None:
        return self._streams.get(stream_id)

    async def get(self, stream_id: str) -> Stream | None:
        if (stream := self._streams.get(stream_id)) is not None:
            return stream
        await self.catch_up()
        return self._streams.get(stream_id)

    async def page(self, tenant: str, after: tuple[int, str] | None, limit: int) -> list[Stream]:
        await self.catch_up()
        known = self._by_tenant.get(tenant, [])
        start = 0 if after is None else bisect_right(known, after, key=self._place)
        return [self._streams[stream_id] for stream_id in known[start : start + limit]]

    async def due(self, now_ms: int) -> list[Stream]:
        return self._overdue.due(now_ms)

    async def announce(self, partitions: int, replaced: Incarnation | None) -> Incarnation:
        """Tell every process that the topics are made anew, unless somebody just has.

        Shape:   ``replaced`` is the incarnation that counted when they were seen to be missing;
                 returns the one that counts: ours, or the one that came first in the log.
        Raises:  BrokerUnavailable; OutcomeUnknown.
        """
        ours = Incarnation(new_incarnation(), partitions)
        await self.write(*announcement(ours, replaced.id if replaced else None))
        if self._incarnation is None:
            raise OutcomeUnknown("The incarnation was written but cannot be read back")
        return self._incarnation

    async def until_replaced(self, adopted: Incarnation) -> None:
        """Wait until another incarnation counts than the one this process works with.

        Its partitions, positions and cursors are then those of topics that are no more, so the
        process has to end and to start anew.
        """
        while self._incarnation is None or self._incarnation == adopted:
            self._reincarnated.clear()
            await self._reincarnated.wait()

    async def catch_up(self) -> None:
        """Wait until everything written so far, by anybody, has been read here.

        Raises:  BrokerUnavailable, within CATCH_UP_SECONDS.
        """
        try:
            async with asyncio.timeout(CATCH_UP_SECONDS):
                await self._follower.catch_up()
        except TimeoutError:
            raise BrokerUnavailable("The registry cannot be read now") from None

    async def follow(self) -> None:
        """Read the topic until cancelled; a fault of Kafka is waited out.

        Raises:  TopicReplaced.
        """
        await self._follower.follow()

    async def write(self, key: bytes, value: bytes) -> None:
        """Append an entry, and wait until it has been read back here.

        Raises:  BrokerUnavailable or Overloaded: it is not stored; OutcomeUnknown.
        """
        stored = await self._producer.send(self._topic, key, value, [])
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._follower.read_to.reach(stored.offset + 1)
        except TimeoutError:
            raise OutcomeUnknown from None

    def _apply_all(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            self._apply(record.key or b"", record.value)

    def _apply(self, key: bytes, value: bytes | None) -> None:
        try:
            if key.startswith(INCARNATION_PREFIX):
                self._apply_announcement(value)
            elif key.startswith(KEY_PREFIX):
                self.issued.apply(key[len(KEY_PREFIX) :].decode("ascii", "replace"), value)
            elif not value:
                self._forget(key.decode("ascii", "replace"))
            else:
                self._apply_entry(from_json(key, value))
        except BadEntry as exc:
            log.warning("a registry entry is passed over", extra={"reason": str(exc)})

    def _apply_announcement(self, value: bytes | None) -> None:
        if not value:
            return
        incarnation, replaces = read_announcement(value)
        known = self._incarnation
        if replaces == (known.id if known else None):
            self._incarnation = incarnation
            self._reincarnated.set()

    def _apply_entry(self, stream: Stream) -> None:
        known = self._streams.get(stream.stream_id)
        if known is None:
            self._list(stream)
        elif (known.tenant, known.created_at) != (stream.tenant, stream.created_at):
            raise BadEntry("a stream's tenant and start never change")
        else:
            self._streams[stream.stream_id] = merged(known, stream)
        self._overdue.note(self._streams[stream.stream_id])

    def _list(self, stream: Stream) -> None:
        self._streams[stream.stream_id] = stream
        streams = self._by_tenant.setdefault(stream.tenant, [])
        place = self._place(stream.stream_id)
        # The log is in the order of starts, but within a millisecond, and for clocks that differ.
        for behind in range(min(NEAR, len(streams)) + 1):
            at = len(streams) - behind
            if at == 0 or self._place(streams[at - 1]) < place:
                streams.insert(at, stream.stream_id)
                return
        insort(streams, stream.stream_id, key=self._place)

    def _place(self, stream_id: str) -> tuple[int, str]:
        return self._streams[stream_id].created_at, stream_id

    def _forget(self, stream_id: str) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        streams = self._by_tenant[stream.tenant]
        del streams[bisect_left(streams, self._place(stream_id), key=self._place)]
        if not streams:
            del self._by_tenant[stream.tenant]
        del self._streams[stream_id]
        self._overdue.forget(stream_id)
