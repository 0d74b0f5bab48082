"""What a person at the keyboard sees: short lines with seconds. Standard library only."""

import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

TICK_SECONDS = 1.0  # On a terminal, where a tick rewrites its line.
LINE_SECONDS = 2.0  # In a pipe or a log, where each tick is a line of its own.
LINE_CHARACTERS = 100
_CLEAR_LINE = "\r\x1b[2K"


def say(text: str) -> None:
    """Print one line at once, also into a pipe."""
    _print(sys.stdout, f"{text}\n")


def warn(text: str) -> None:
    """Print one line where errors go."""
    _print(sys.stderr, f"{text}\n")


def printable(text: str) -> str:
    """Escape what would steer a terminal: logs hold words of clients."""
    return "".join(
        character if character.isprintable() else repr(character)[1:-1]
        for character in text.expandtabs(4)
    )


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
        rewrites = sys.stdout is not None and sys.stdout.isatty()
        shown = False
        while not self._over.wait(TICK_SECONDS if rewrites or not shown else LINE_SECONDS):
            seconds = time.monotonic() - started
            line = f"  {self._label}: {seconds:.0f} s {self._detail()}".rstrip()[:LINE_CHARACTERS]
            _print(sys.stdout, line if rewrites else f"{line}\n")
            shown = True
        if rewrites and shown:
            _print(sys.stdout, "")


def _print(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    try:
        # A tick may stand in the line, unfinished.
        stream.write(f"{_CLEAR_LINE}{text}" if stream.isatty() else text)
        stream.flush()
    except OSError:
        # Nobody reads any more (`make run | head`, a closed terminal); what runs goes on.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
