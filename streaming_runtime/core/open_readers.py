"""Open readers of all processes, as a log tells of them: each says how many it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from streaming_runtime.core.takes import bucket_of, size_of


def readers_of(tenant: str, most: int) -> str:
    """Return the name under which a tenant's readers are counted; it tells how many may be open."""
    return bucket_of("readers", most, most, tenant)


class OpenReaders:
    """How many readers each process has, or may open, by the name that they are counted under."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, int]] = {}

    def tell(self, process: str, holds: Mapping[str, int]) -> None:
        """Take what a process says it has for the truth: 0 is none any more."""
        held = self._held.setdefault(process, {})
        for bucket, number in holds.items():
            if number:
                held[bucket] = number
            else:
                held.pop(bucket, None)

    def grant(
        self, process: str, opens: Mapping[str, int], is_there: Callable[[str], bool]
    ) -> dict[str, int]:
        """Let a process open as many as it wants, or as may be opened still."""
        granted: dict[str, int] = {}
        for bucket, wanted in opens.items():
            granted[bucket] = max(0, min(wanted, size_of(bucket)[1] - self.open(bucket, is_there)))
            if granted[bucket]:
                held = self._held.setdefault(process, {})
                held[bucket] = held.get(bucket, 0) + granted[bucket]
        return granted

    def open(self, bucket: str, is_there: Callable[[str], bool]) -> int:
        """Return how many all processes have that are there."""
        return sum(held.get(bucket, 0) for process, held in self._held.items() if is_there(process))

    def of(self, process: str) -> Mapping[str, int]:
        """Return what one process has."""
        return self._held.get(process, {})

    def forget(self, process: str) -> None:
        self._held.pop(process, None)
