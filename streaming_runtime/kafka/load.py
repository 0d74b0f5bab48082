"""How much a process holds for Kafka: bounded, so that an outage fills no memory."""

from __future__ import annotations

from collections.abc import Sequence

from streaming_runtime.core.errors import Overloaded

MAX_RECORDS = 20_000
# One request carries a batch of each partition; a broker takes no request above 100 MiB.
MAX_BYTES = 64 << 20


class Load:
    """Records and bytes that have been taken and have no outcome yet."""

    def __init__(self, max_records: int = MAX_RECORDS, max_bytes: int = MAX_BYTES) -> None:
        self.records = 0
        self.bytes = 0
        self._max_records = max_records
        self._max_bytes = max_bytes

    def take(self, size: int) -> None:
        """Count a record.

        Raises:  Overloaded, and nothing was counted.
        """
        if self.records >= self._max_records or self.bytes + size > self._max_bytes:
            raise Overloaded
        self.records += 1
        self.bytes += size

    def take_some(self, sizes: Sequence[int]) -> int:
        """Count as many records as there is room for, from the first on; return how many."""
        for taken, size in enumerate(sizes):
            try:
                self.take(size)
            except Overloaded:
                return taken
        return len(sizes)

    def release(self, records: int, size: int) -> None:
        self.records -= records
        self.bytes -= size
