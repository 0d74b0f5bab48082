"""Percentiles by nearest rank: each is a value that was measured, never one in between. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of the values do not exceed.

    Shape:   ``ordered`` is sorted and not empty; ``share`` is above 0 and at most 1.
    """
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


@dataclass(frozen=True, slots=True)
class Latency:
    """Units:  milliseconds; None where nothing was measured."""

    p50: float | None
    p99: float | None
    p999: float | None
    max: float | None

    @classmethod
    def of(cls, seconds: Iterable[float]) -> "Latency":
        ordered = sorted(seconds)
        if not ordered:
            return cls(None, None, None, None)
        shares = (0.5, 0.99, 0.999, 1.0)
        return cls(*(round(percentile(ordered, share) * 1000, 2) for share in shares))
