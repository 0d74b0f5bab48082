"""Background tasks that a process cannot live without: when one ends, the process must end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class VitalEnded(Exception):
    """A background task ended; the cause is what ended it, None if it just returned."""


class Vitals:
    """Starts background tasks, tells when the first of them ends, and ends the rest.

    Nothing is fire-and-forget: a dead consumer under a green health page is a defect, so whoever
    owns the process waits for ``ended`` beside its own work.
    """

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._ended: asyncio.Future[VitalEnded] = asyncio.get_running_loop().create_future()

    @property
    def failure(self) -> VitalEnded | None:
        """What ended first, None while all live."""
        return self._ended.result() if self._ended.done() else None

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks[task] = name
        task.add_done_callback(self._note)

    async def ended(self) -> VitalEnded:
        """Wait until a task has ended, and return which and why."""
        return await asyncio.shield(self._ended)

    async def close(self, seconds: float) -> None:
        """Cancel what still runs, latest first, and wait for it up to ``seconds`` in all."""
        if not self._ended.done():
            self._ended.cancel()
        tasks = list(self._tasks)
        for task in reversed(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def _note(self, task: asyncio.Task[None]) -> None:
        name = self._tasks.pop(task)
        cause = None if task.cancelled() else task.exception()
        if self._ended.done():
            return
        failure = VitalEnded(f"{name} ended")
        failure.__cause__ = cause
        self._ended.set_result(failure)
