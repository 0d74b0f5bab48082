"""How far processing is behind: asked of Kafka when somebody looks, not guessed from fetches."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

ASK_SECONDS = 0.5
FRESH_SECONDS = 1.0


class Lag:
    """The records in the partitions of this process that it has not processed.

    ``done`` notes work from the main thread; ``records`` may be called from any other.
    """

    def __init__(self, admin: AdminClient, group: str, topic: str) -> None:
        self._admin = admin
        self._group = group
        self._topic = topic
        # The next offset of each assigned partition; None until its first record.
        self._positions: dict[int, int | None] = {}
        self._asking = threading.Lock()
        self._known = 0
        self._known_at = 0.0

    @property
    def partitions(self) -> int:
        return len(self._positions)

    def assigned(self, partitions: Iterable[int]) -> None:
        self._positions.update(dict.fromkeys(partitions))

    def revoked(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self._positions.pop(partition, None)

    def clear(self) -> None:
        self._positions.clear()

    def done(self, partition: int, offset: int) -> None:
        self._positions[partition] = offset + 1

    def records(self) -> int:
        """Return the lag; what was known last, while Kafka does not answer."""
        with self._asking:
            if time.monotonic() - self._known_at > FRESH_SECONDS:
                try:
                    self._known = self._ask(dict(self._positions))
                except (KafkaException, TimeoutError):
                    pass
                else:
                    self._known_at = time.monotonic()
            return self._known

    def _ask(self, positions: dict[int, int | None]) -> int:
        if not positions:
            return 0
        ends = self._offsets(positions, OffsetSpec.latest())
        untouched = [p for p, position in positions.items() if position is None]
        starts = self._starts(untouched) if untouched else {}
        return sum(max(0, ends[p] - starts.get(p, n or 0)) for p, n in positions.items())

    def _starts(self, partitions: list[int]) -> dict[int, int]:
        """Return where the group goes on: at its commit, or if it has none at the earliest."""
        committed = self._committed(partitions)
        missing = [p for p in partitions if committed.get(p, -1) < 0]
        earliest = self._offsets(missing, OffsetSpec.earliest()) if missing else {}
        return committed | earliest

    def _committed(self, partitions: list[int]) -> dict[int, int]:
        asked = ConsumerGroupTopicPartitions(self._group, self._those(partitions))
        (future,) = self._admin.list_consumer_group_offsets(
            [asked], request_timeout=ASK_SECONDS
        ).values()
        return {tp.partition: tp.offset for tp in future.result(ASK_SECONDS).topic_partitions}

    def _offsets(self, partitions: Iterable[int], spec: OffsetSpec) -> dict[int, int]:
        asked = dict.fromkeys(self._those(partitions), spec)
        futures = self._admin.list_offsets(asked, request_timeout=ASK_SECONDS)
        return {tp.partition: f.result(ASK_SECONDS).offset for tp, f in futures.items()}

    def _those(self, partitions: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in partitions]
