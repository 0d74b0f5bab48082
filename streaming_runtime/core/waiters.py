"""Outcomes that somebody waited for."""

from __future__ import annotations

import asyncio
from typing import Any


def give_up(waiter: asyncio.Future[Any]) -> None:
    """Wait no longer for an outcome; a failure that has come already is not complained of."""
    if not waiter.cancel() and not waiter.cancelled():
        waiter.exception()
