"""How long a request may take: in a function, no longer than its invocation; else, as it likes."""

from __future__ import annotations

import asyncio
import math
from typing import Any

# Where it stands in an ASGI scope: the moment by the loop's clock.
NAME = "millrace.ends_at"
# What is waited for ends so long before, because an answer that is complete beats one that is cut.
RESERVE_SECONDS = 0.5


def limit(scope: Any, seconds: float) -> None:
    """Have a request end within so many seconds from now."""
    scope[NAME] = asyncio.get_running_loop().time() + seconds


def seconds_left(scope: Any) -> float:
    """Return the seconds until a request is cut, infinite where it never is."""
    ends_at: float | None = scope.get(NAME)
    return math.inf if ends_at is None else ends_at - asyncio.get_running_loop().time()


def within(scope: Any, seconds: float) -> float:
    """Return how long may be waited of the seconds that somebody would like to wait."""
    return max(0.0, min(seconds, seconds_left(scope) - RESERVE_SECONDS))
