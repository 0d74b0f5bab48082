"""Takes the processor's time away from a record that does not end: its neighbours wait."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Self

# A process that is stopped, or does not get its turn, hears of one alarm at most when it goes on:
# no innocent record is given up for it.
ALARM_SECONDS = 0.1
ALARMS = 5


class TookTooLong(BaseException):
    """Raised in the midst of a processor. Not an Exception, which foreign code may swallow."""


class TimeLimit:
    """Interrupts the main thread when one record keeps it for longer than half a second.

    Whatever looks for signals is interrupted: Python code, its waits, regular expressions. Code in
    C that does not ends with the process, by the watchdog.
    The alarm is the kernel's: a thread of ours would not get its turn beside a regular expression.
    """

    def __init__(self) -> None:
        self._record = 0
        self._is_open = False
        self._seen = 0
        self._alarms = 0

    def start(self) -> None:
        """Take over SIGALRM and set the alarm; only the main thread may."""
        signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, ALARM_SECONDS, ALARM_SECONDS)

    def close(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)

    def __enter__(self) -> Self:
        self._record += 1
        self._is_open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_open = False

    def _look(self, number: int, frame: FrameType | None) -> None:
        # It runs in the main thread, so nothing begins or ends meanwhile.
        if not self._is_open:
            return
        if self._seen != self._record:
            self._seen, self._alarms = self._record, 0
        self._alarms += 1
        if self._alarms >= ALARMS:
            raise TookTooLong
