"""Being told to stop: SIGTERM and Ctrl-C."""

from __future__ import annotations

import signal
import time
from types import FrameType

STEP_SECONDS = 0.05


class Stop:
    """Whether this process has been told to stop.

    A plain flag, asked often: a lock taken in a signal handler may be one that the interrupted
    code holds.
    """

    def __init__(self) -> None:
        self.is_told = False

    def listen(self) -> None:
        """Take over SIGTERM and SIGINT; only the main thread may."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._tell)

    def wait(self, seconds: float) -> None:
        """Sleep so long, or until told."""
        deadline = time.monotonic() + seconds
        while not self.is_told and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, STEP_SECONDS))

    def _tell(self, number: int, frame: FrameType | None) -> None:
        self.is_told = True
