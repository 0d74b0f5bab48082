"""Tokens of several buckets, taken together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from streaming_runtime.core.limits import Buckets, Verdict


class Take(NamedTuple):
    """So many tokens of one bucket.

    Shape:   the name of the bucket tells its limit, so that all who count it count alike, whatever
             their own settings say; a count above the burst needs a full bucket.
    """

    bucket: str
    tokens: int = 1


def bucket_of(kind: str, per_second: int, burst: int, whose: str) -> str:
    """Return the name of a bucket; ``whose`` may be any text."""
    return f"{kind}:{per_second}:{burst}:{whose}"


def size_of(bucket: str) -> tuple[int, int]:
    """Return how much flows into a bucket in a second, and how much it holds.

    Raises:  ValueError for what is no name of a bucket.
    """
    _, per_second, burst, _ = bucket.split(":", 3)
    size = int(per_second), int(burst)
    if min(size) < 1:
        raise ValueError(f"{bucket} would never let anything in")
    return size


class SharedTakes(Protocol):
    """Buckets that all processes share, or those of one process."""

    async def take_all(self, takes: Sequence[Take]) -> list[Verdict]:
        """Take of all buckets, or of none.

        Shape:   one verdict for each, in order; only that of the one that refuses is no admission,
                 and it is the last.
        Raises:  StreamingError where they cannot be asked.
        """


class BucketsBySize(Buckets):
    """Buckets whose names tell their sizes.

    Shape:   ``parts`` is by how many processes each is divided.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        begin: Callable[[str], float] | None = None,
        parts: int = 1,
    ) -> None:
        super().__init__(1, 1, clock, begin)
        self._parts = parts

    def size_of(self, name: str) -> tuple[int, int]:
        per_second, burst = size_of(name)
        return max(1, per_second // self._parts), max(1, burst // self._parts)

    def take_all(self, takes: Sequence[Take]) -> list[Verdict]:
        """Take of all buckets, or of none; told as by SharedTakes."""
        told: list[Verdict] = []
        for position, take in enumerate(takes):
            told.append(self.take(take.bucket, take.tokens))
            if not told[-1].is_admitted:
                for earlier in takes[:position]:
                    self.give_back(earlier.bucket, earlier.tokens)
                break
        return told


class OwnTakes:
    """Implements SharedTakes in this process alone."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._buckets = BucketsBySize(clock)

    async def take_all(self, takes: Sequence[Take]) -> list[Verdict]:
        return self._buckets.take_all(takes)
