"""Ends a process that hangs: in its deliveries, in its loop, or in leaving when told to."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Hashable
from typing import Protocol

from streaming_runtime.processing.stopping import Stop

log = logging.getLogger("millrace.processing.watchdog")

# Deliveries never expire by themselves. A broker that restarts is back sooner than this.
STALL_SECONDS = 30.0
# Closing a client, say, may wait for a broker without an end.
STUCK_SECONDS = 45.0
# Told to stop, a process has 5 s; what is not acknowledged by then, the next one does again.
LEAVE_SECONDS = 4.0
LOOK_SECONDS = 0.25


class Watched(Protocol):
    """What the watchdog asks of a pipeline, from its own thread."""

    @property
    def turns(self) -> int:
        """Turns of its loop so far."""

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
        stuck_seconds: float = STUCK_SECONDS,
        leave_seconds: float = LEAVE_SECONDS,
        end: Callable[[], None] = end_process,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self.watched: Watched | None = None
        self._stop = stop
        self._end = end
        self._look_seconds = look_seconds
        self._patience = [
            (Standstill(stall_seconds), self._deliveries, "no delivery was acknowledged"),
            (Standstill(stuck_seconds), self._loop, "the loop did not turn"),
            (Standstill(leave_seconds), self._leaving, "told to stop, it could not leave"),
        ]
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._is_closed.set()
        self._thread.join(5)

    def _watch(self) -> None:
        while not self._is_closed.wait(self._look_seconds):
            now = time.monotonic()
            watched = self.watched
            for standstill, progress, reason in self._patience:
                if standstill.is_over(progress(watched), now):
                    log.critical("ending the process", extra={"reason": reason})
                    self._end()
                    return

    def _deliveries(self, watched: Watched | None) -> int | None:
        outstanding = watched.outstanding if watched is not None else 0
        return watched.written - outstanding if watched is not None and outstanding else None

    def _loop(self, watched: Watched | None) -> int | None:
        return watched.turns if watched is not None else None

    def _leaving(self, _: Watched | None) -> bool | None:
        return True if self._stop.hear() else None


class Standstill:
    """Measures for how long something has not moved; None says that nothing has to."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._progress: Hashable = None
        self._since = 0.0

    def is_over(self, progress: Hashable, now: float) -> bool:
        """Note the progress, and say whether it has been the same for too long."""
        if progress is None or progress != self._progress:
            self._progress, self._since = progress, now
            return False
        return now - self._since > self._seconds
