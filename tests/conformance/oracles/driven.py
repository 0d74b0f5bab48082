"""Runs a client that puts into a Following what it hears, and ends it with the block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from .following import Following


@asynccontextmanager
async def driven(following: Following, run: Coroutine[Any, Any, None]) -> AsyncIterator[Following]:
    """Give what the client hears.

    Raises:  what went wrong in the client, such as bytes that its parser does not take.
    """
    running = asyncio.ensure_future(run)
    # One that went wrong says nothing more: whoever waits for it must not wait for the deadline.
    running.add_done_callback(lambda _: following.fail())
    try:
        yield following
    finally:
        running.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()
