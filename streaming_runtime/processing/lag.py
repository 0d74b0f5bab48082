"""How far processing is behind: asked of Kafka when somebody looks, not guessed from fetches."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

ASK_SECONDS = 0.5
FRESH_SECONDS = 1.0


class Lag:
    """The records in the partitions of this process that it has not processed.

    ``done`` notes work from the main thread; ``records`` may be called from any other. Where the
    group has committed is told by the consumer: asking with an admin client ends the process when
    the group's coordinator moves (librdkafka 2.12, rd_kafka_handle_OffsetFetch without a group).
    """

    def __init__(self, admin: AdminClient, topic: str) -> None:
        self._admin = admin
        self._topic = topic
        # The next offset of each assigned partition; None where the group begins at the earliest.
        self._positions: dict[int, int | None] = {}
        self._asking = threading.Lock()
        self._known = math.nan
        self._known_at = 0.0

    @property
    def partitions(self) -> int:
        return len(self._positions)

    def assigned(self, committed: Mapping[int, int]) -> None:
        """Note partitions and what the group has committed in each, negative for nothing."""
        self._positions.update({p: n if n >= 0 else None for p, n in committed.items()})

    def revoked(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self._positions.pop(partition, None)

    def clear(self) -> None:
        self._positions.clear()

    def done(self, partition: int, offset: int) -> None:
        self._positions[partition] = offset + 1

    def records(self) -> float:
        """Return the lag; while Kafka does not answer what was known last, NaN for nothing yet."""
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
        starts = self._offsets(untouched, OffsetSpec.earliest()) if untouched else {}
        return sum(max(0, ends[p] - starts.get(p, n or 0)) for p, n in positions.items())

    def _offsets(self, partitions: Iterable[int], spec: OffsetSpec) -> dict[int, int]:
        asked = {TopicPartition(self._topic, partition): spec for partition in partitions}
        futures = self._admin.list_offsets(asked, request_timeout=ASK_SECONDS)
        return {tp.partition: f.result(ASK_SECONDS).offset for tp, f in futures.items()}
