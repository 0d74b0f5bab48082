"""Waits for a state that nothing announces, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Answer = TypeVar("Answer")


async def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return as soon as ``holds`` does.

    Raises:  TimeoutError if that takes longer.
    """
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


async def until(
    ask: Callable[[], Awaitable[Answer]], holds: Callable[[Answer], bool], seconds: float = 10.0
) -> Answer:
    """Ask again and again, and return the first answer for which ``holds`` does.

    Raises:  TimeoutError if that takes longer.
    """
    async with asyncio.timeout(seconds):
        while not holds(answer := await ask()):
            await asyncio.sleep(0.05)
    return answer
