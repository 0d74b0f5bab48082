"""Opening a reader for each stream: many at once, all or none."""

import asyncio
from collections.abc import Awaitable, Callable

OPEN_AT_ONCE = 100
OPEN_SECONDS = 60.0

# Takes reader, record, microseconds of the moment it was due, and now.
Arrived = Callable[[int, int, int, float], None]


class ReaderRefused(Exception):
    """A stream cannot be read, so nothing can be measured."""


def ignore(reader: int, record: int, due_us: int, now: float) -> None:
    """Take a result while no run is under way."""


async def open_all(open_one: Callable[[int], Awaitable[None]], count: int) -> None:
    """Open reader after reader by its number, and wait for all.

    Raises:  ReaderRefused for the first that fails, or when it takes too long.
    """

    async def opened(number: int) -> None:
        await open_one(number)

    try:
        async with asyncio.timeout(OPEN_SECONDS), asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(opened(number))
    except* ReaderRefused as refusals:
        raise ReaderRefused(f"a reader was refused: {refusals.exceptions[0]}") from None
    except* OSError as problems:  # TimeoutError among them.
        raise ReaderRefused(f"a reader cannot be opened: {problems.exceptions[0]!r}") from None
