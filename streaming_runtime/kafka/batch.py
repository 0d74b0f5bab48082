"""Records that go to Kafka together, and what is known of where they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from streaming_runtime.core.errors import BrokerUnavailable, OutcomeUnknown, StreamingError
from streaming_runtime.core.ports import Waiter
from streaming_runtime.kafka.failures import is_certain, send_outcome

Headers = Sequence[tuple[str, bytes]]
Place = tuple[str, int]


class Pending(NamedTuple):
    """A record that the load has counted; ``waiter`` gets its partition and offset."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers
    size: int
    waiter: Waiter

    def fail(self, outcome: StreamingError) -> None:
        if not self.waiter.done():
            self.waiter.set_exception(outcome)


class Batch:
    """The records of one partition that go to Kafka together."""

    __slots__ = ("_builder", "_refused", "bytes", "deadline", "entry", "place", "records")

    def __init__(self, place: Place, builder: Any, entry: Any) -> None:
        self.place = place
        self.entry = entry
        self.records: list[Pending] = []
        self.bytes = 0
        self.deadline: asyncio.TimerHandle | None = None
        self._builder = builder
        self._refused = 0

    @property
    def has_left(self) -> bool:
        """False as long as aiokafka has not begun to send it: until then it is not stored."""
        return bool(self.entry.retry_count)

    @property
    def may_be_stored(self) -> bool:
        """False if it has not left, or each time it was certainly not appended."""
        return self._open_attempts > 0

    @property
    def _open_attempts(self) -> int:
        return int(self.entry.retry_count) - self._refused

    def add(self, record: Pending) -> bool:
        """Add a record; False if the batch is full or has left.

        One that came after the sequence numbers were given out would break them.
        """
        if self.has_left or not self._append(record):
            return False
        self.records.append(record)
        self.bytes += record.size
        return True

    def note(self, failure: BaseException) -> None:
        """Take the failure of the attempt that has just ended."""
        self._refused += is_certain(failure)

    def outcome(self, failure: BaseException) -> StreamingError:
        """Say what became of it, if it is not sent again after this failure."""
        return send_outcome(failure, self._open_attempts)

    def give_up(self) -> StreamingError:
        """Say what became of it, if nobody waits for it any longer and it is never sent again."""
        return OutcomeUnknown() if self.may_be_stored else BrokerUnavailable()

    def tell_places(self, first: int) -> None:
        for offset, record in enumerate(self._told(), first):
            if not record.waiter.done():
                record.waiter.set_result((self.place[1], offset))

    def fail(self, outcome: StreamingError) -> None:
        for record in self._told():
            record.fail(outcome)

    def _told(self) -> list[Pending]:
        """Give the records up: aiokafka and we hold each other's batch for a while longer."""
        records, self.records = self.records, []
        return records

    def _append(self, record: Pending) -> bool:
        now_ms = int(time.time() * 1000)
        added = self._builder.append(
            timestamp=now_ms, key=record.key, value=record.value, headers=record.headers
        )
        return added is not None
