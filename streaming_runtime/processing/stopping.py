"""Being told to stop: SIGTERM and Ctrl-C; being told twice ends the process at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType

STEP_SECONDS = 0.05
SIGNALS = (signal.SIGTERM, signal.SIGINT)
MOST_BYTES = 4_096
# What a shell says of who ended by a signal: 128 and its number.
KILLED_BY = 128


def end_at_once(number: int) -> None:
    """End the process without another step of it: what is not acknowledged is done again."""
    os._exit(KILLED_BY + number)


class Stop:
    """Whether this process has been told to stop; being told once more ends it.

    A plain flag, asked often: a lock taken in a signal handler may be one that the interrupted
    code holds.
    """

    def __init__(self, end: Callable[[int], None] = end_at_once) -> None:
        self.is_told = False
        self._end = end
        # Both see every signal, each in its own time: the handler, and whoever reads the pipe.
        self._handled = 0
        self._heard = 0
        self._pipe: tuple[int, int] | None = None

    def listen(self) -> None:
        """Take over SIGTERM and SIGINT; only the main thread may."""
        for number in SIGNALS:
            signal.signal(number, self._tell)
        self._pipe = os.pipe()
        for end in self._pipe:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)

    def close(self) -> None:
        """Hear no more; what else listens to the signals is theirs again."""
        if self._pipe is not None:
            signal.set_wakeup_fd(-1)
            for end in self._pipe:
                os.close(end)
            self._pipe = None

    def hear(self) -> bool:
        """Return whether it was told, also while the main thread waits for a broker.

        Python runs a signal's handler between two steps of the main thread, and a call of
        librdkafka may take ten seconds; but its number is in the pipe at once.
        """
        for number in self._arrived():
            self.is_told = True
            self._heard += 1
            if self._heard > 1:
                self._end(number)
        return self.is_told

    def _arrived(self) -> list[int]:
        if self._pipe is None:
            return []
        try:
            return [n for n in os.read(self._pipe[0], MOST_BYTES) if n in SIGNALS]
        except BlockingIOError:
            return []

    def wait(self, seconds: float) -> None:
        """Sleep so long, or until told."""
        deadline = time.monotonic() + seconds
        while not self.is_told and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, STEP_SECONDS))

    def _tell(self, number: int, frame: FrameType | None) -> None:
        self.is_told = True
        self._handled += 1
        if self._handled > 1:
            self._end(number)
