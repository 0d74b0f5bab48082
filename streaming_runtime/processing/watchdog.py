"""Ends a process that hangs: its deliveries stand still, or it does not leave when told to."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Protocol

from streaming_runtime.processing.stopping import Stop

log = logging.getLogger("millrace.processing.watchdog")

# Deliveries never expire by themselves. A broker that restarts is back sooner than this.
STALL_SECONDS = 30.0
# Told to stop, a process has 5 s; what is not acknowledged by then, the next one does again.
LEAVE_SECONDS = 4.5
LOOK_SECONDS = 0.25


class Deliveries(Protocol):
    """What the watchdog asks of a pipeline, from its own thread."""

    @property
    def written(self) -> int:
        """Records handed to the producer so far."""

    @property
    def outstanding(self) -> int:
        """Those of them that Kafka has not acknowledged."""


def end_process() -> None:
    # Not sys.exit: the main thread hangs in a call that no exception reaches.
    os._exit(1)


class Watchdog:
    """Looks on from a thread of its own; ``watched`` is the pipeline that runs now, if any."""

    def __init__(
        self,
        stop: Stop,
        stall_seconds: float = STALL_SECONDS,
        leave_seconds: float = LEAVE_SECONDS,
        end: Callable[[], None] = end_process,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self.watched: Deliveries | None = None
        self._stop = stop
        self._stall_seconds = stall_seconds
        self._leave_seconds = leave_seconds
        self._end = end
        self._look_seconds = look_seconds
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._is_closed.set()
        self._thread.join(5)

    def _watch(self) -> None:
        progress: int | None = None
        since = time.monotonic()
        told_at: float | None = None
        while not self._is_closed.wait(self._look_seconds):
            now = time.monotonic()
            latest = self._progress()
            if latest is None or latest != progress:
                progress, since = latest, now
            elif now - since > self._stall_seconds:
                self._give_up("no delivery was acknowledged", now - since)
                return
            if self._stop.is_told:
                told_at = told_at or now
                if now - told_at > self._leave_seconds:
                    self._give_up("told to stop, it could not leave", now - told_at)
                    return

    def _progress(self) -> int | None:
        """Return how many deliveries are done, or None if none is under way."""
        watched = self.watched
        outstanding = watched.outstanding if watched is not None else 0
        return watched.written - outstanding if watched is not None and outstanding else None

    def _give_up(self, reason: str, seconds: float) -> None:
        log.critical("ending the process", extra={"reason": reason, "seconds": round(seconds, 1)})
        self._end()
