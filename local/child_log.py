"""A child's log: a file of bounded size, its warnings shown on the terminal."""

import json
import os
import shutil
import time
from pathlib import Path

from local.progress import printable

LIMIT_BYTES = 10 * 1024 * 1024
LOOK_BYTES = 1024 * 1024
LINES_AT_ONCE = 5
QUIET_SECONDS = 5.0
_LOUD = (b'"level": "warning"', b'"level": "error"', b'"level": "critical"')


class ChildLog:
    """Follows a file that a child appends to directly, so a busy child never waits for a reader."""

    def __init__(self, name: str, path: Path) -> None:
        self.path = path
        self._name = name
        self._rest = b""
        self._shown_at = 0.0
        self._shown = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._position = path.stat().st_size

    def news(self) -> list[str]:
        """Return warnings and errors written since the last call, one short line each.

        At most five in five seconds: a storm of them is for the file. A file that has grown too
        large is turned over.
        """
        lines = self._new_lines()
        if self._position > LIMIT_BYTES:
            self._turn_over()
        return [line for line in map(self._short, lines) if line and self._may_show()]

    def _turn_over(self) -> None:
        # The child keeps its descriptor, which appends, so it goes on at the new beginning. What it
        # writes between the copy and the cut is lost; these are logs.
        shutil.copyfile(self.path, self.path.with_name(f"{self.path.name}.1"))
        os.truncate(self.path, 0)
        self._position = 0

    def _new_lines(self) -> list[bytes]:
        with self.path.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            if end - self._position > LOOK_BYTES:  # A storm: only its end.
                self._position, self._rest = end - LOOK_BYTES, b""
            log.seek(self._position)
            fresh = log.read(LOOK_BYTES)
        self._position += len(fresh)
        *lines, rest = (self._rest + fresh).split(b"\n")
        self._rest = rest[-LOOK_BYTES:]
        return lines

    def _short(self, line: bytes) -> str:
        if not any(word in line for word in _LOUD):
            return ""
        try:
            entry = json.loads(line)
        except ValueError:
            return ""
        if not isinstance(entry, dict):
            return ""
        traceback = str(entry.get("traceback") or "").rstrip().rpartition("\n")[2]
        reason = entry.get("reason") or traceback
        shown = f"{self._name} {entry.get('level')}: {entry.get('message')} {reason}"
        return printable(shown.rstrip()[:200])

    def _may_show(self) -> bool:
        now = time.monotonic()
        if now - self._shown_at > QUIET_SECONDS:
            self._shown_at, self._shown = now, 0
        self._shown += 1
        return self._shown <= LINES_AT_ONCE
