"""Waits for a state that nothing announces, with a deadline."""

import asyncio
from collections.abc import Callable


async def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return as soon as ``holds`` does.

    Raises:  TimeoutError if that takes longer.
    """
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)
