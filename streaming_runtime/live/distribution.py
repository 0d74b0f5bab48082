"""Durations in buckets, counted on one thread and shown on another, for next to nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from prometheus_client.utils import floatToGoString


class Distribution:
    """How many durations fell into each bucket.

    prometheus_client's own takes two locks for each value and asks twice whether it may: 2
    microseconds of the 39 that a send costs. Here one thread counts; a page shown meanwhile may
    lack the value that is being added.

    Units:   seconds; ``bounds`` are upper bounds, inclusive and in order.
    """

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.total = 0.0
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds

    @property
    def count(self) -> int:
        return sum(self._counts)

    def buckets(self) -> list[tuple[str, float]]:
        """Return each upper bound, as Prometheus writes it, with all that is not above it."""
        bounds = (*self._bounds, float("inf"))
        so_far = accumulate(tuple(self._counts))
        return [(_name(bound), float(count)) for bound, count in zip(bounds, so_far, strict=True)]


def _name(bound: float) -> str:
    name: str = floatToGoString(bound)  # type: ignore[no-untyped-call]
    return name
