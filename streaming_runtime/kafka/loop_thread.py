"""One event loop on a thread of its own: where Kafka lives in a process that has no loop to stay.

A function is called, answers, and is frozen until the next call. A producer that is kept belongs to
the loop it was started on: on a new loop for each call the second one hangs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, TypeVar

STOP_SECONDS = 15.0

Outcome = TypeVar("Outcome")


class LoopThread:
    """Runs coroutines for callers that are not on a loop; started by the first of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        """Run to the end on the loop and return the outcome; the deadline is the work's own.

        Raises:  what the work raises; a caller that is interrupted cancels it.
        """
        waiting = asyncio.run_coroutine_threadsafe(work, self._running())
        try:
            return waiting.result()
        except BaseException:
            waiting.cancel()
            raise

    def stop(self) -> None:
        """Cancel what runs there, close the loop and end the thread, within STOP_SECONDS."""
        with self._starting:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        ending = asyncio.run_coroutine_threadsafe(_cancel_all(), loop)
        with suppress(TimeoutError, CancelledError):
            ending.result(STOP_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_SECONDS)
        if not thread.is_alive():
            loop.close()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    # A daemon: the process of a function ends without asking its threads.
                    target=self._loop.run_forever,
                    name=self._name,
                    daemon=True,
                )
                self._thread.start()
            return self._loop


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
