"""Figures of a long test, shown although it passed."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

import pytest


def tell(capsys: pytest.CaptureFixture[str], what: str, **figures: Any) -> None:
    """Write one line that a person reads and a script finds."""
    with capsys.disabled():
        sys.stdout.write(f"\nmeasured: {what}: {json.dumps(figures)}\n")
        sys.stdout.flush()


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that so large a share of all does not exceed."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return what stands in a table of figures."""
    shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    return {name: round(percentile(seconds, share), 3) for name, share in shares.items()}
