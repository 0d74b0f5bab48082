"""What a person at the keyboard sees: short lines with seconds. Standard library only."""

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

TICK_SECONDS = 1.0  # On a terminal, where a tick rewrites its line.
LINE_SECONDS = 2.0  # In a pipe or a log, where each tick is a line of its own.


def say(text: str) -> None:
    """Print one line at once, also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def warn(text: str) -> None:
    """Print one line where errors go."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class Ticking:
    """Shows, while its block runs, that ``label`` still goes on and what ``detail`` says just now.

    A thread, so that it also ticks while the caller waits for a process or a lock.
    """

    def __init__(self, label: str, detail: Callable[[], str] = str) -> None:
        self._label = label
        self._detail = detail
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> "Ticking":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _tick(self) -> None:
        started = time.monotonic()
        rewrites = sys.stdout.isatty()
        shown = False
        while not self._over.wait(TICK_SECONDS if rewrites or not shown else LINE_SECONDS):
            seconds = time.monotonic() - started
            line = f"  {self._label}: {seconds:.0f} s {self._detail()}".rstrip()
            sys.stdout.write(f"\r\x1b[2K{line[:100]}" if rewrites else f"{line}\n")
            sys.stdout.flush()
            shown = True
        if rewrites and shown:
            sys.stdout.write("\r\x1b[2K")
            sys.stdout.flush()
