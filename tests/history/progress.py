"""A line every two seconds, so that who waits sees what goes on."""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType

from tests.history.world import World

EVERY_SECONDS = 2.0


def say(text: str) -> None:
    """Print a line at once: who waits may be behind a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Progress:
    """Prints while its block lasts."""

    def __init__(self, world: World, is_quiet: bool) -> None:
        self._world = world
        self._is_quiet = is_quiet
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        if not self._is_quiet:
            self._task = asyncio.ensure_future(self._run())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._print()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            self._print()

    def _print(self) -> None:
        world = self._world
        say(
            f"{world.now:7.1f} s  {world.acknowledged:>8,} acknowledged"
            f"  {world.received:>9,} received  {world.missing:>6,} awaited"
            f"  {', '.join(world.hurting.values())}",
        )
