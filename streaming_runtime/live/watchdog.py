"""A loop that does not turn any more ends the process: nobody else inside it could notice."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("millrace.live.watchdog")

HUNG_SECONDS = 30
LOOK_SECONDS = 1.0
HUNG_EXIT = 1


class Watchdog(threading.Thread):
    """Looks each second whether the loop has turned since; after HUNG_SECONDS looks it has not.

    It counts its own looks instead of asking a clock: a process that was stopped and goes on, or a
    machine that slept, has missed them too, and is not hung.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._has_turned = True
        self._closing = threading.Event()

    def run(self) -> None:
        missed = 0
        while not self._closing.wait(LOOK_SECONDS):
            if self._has_turned:
                self._has_turned, missed = False, 0
                self._loop.call_soon_threadsafe(self._turn)
                continue
            missed += 1
            if missed >= HUNG_SECONDS:
                self._end()

    def close(self) -> None:
        self._closing.set()
        self.join()

    def _turn(self) -> None:
        self._has_turned = True

    def _end(self) -> None:
        """End at once: what could be put in order is behind the loop that hangs."""
        frame = sys._current_frames().get(self._loop_thread)
        stack = "" if frame is None else "".join(traceback.format_stack(frame))
        log.critical("the event loop hangs: this process ends", extra={"stack": stack})
        for handler in logging.getLogger().handlers:
            handler.flush()
        os._exit(HUNG_EXIT)


@contextmanager
def watched(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Watch the loop of this thread until the block is left."""
    watchdog = Watchdog(loop)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.close()
