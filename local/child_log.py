"""A child's log: a file that is turned over at each start, its warnings shown on the terminal."""

import json
import time
from pathlib import Path

LIMIT_BYTES = 10 * 1024 * 1024
LINES_AT_ONCE = 5
QUIET_SECONDS = 5.0
_LOUD = (b'"level": "warning"', b'"level": "error"', b'"level": "critical"')


class ChildLog:
    """Follows a file that a child writes to directly, so a busy child never waits for a reader."""

    def __init__(self, name: str, path: Path) -> None:
        self.path = path
        self._name = name
        self._rest = b""
        self._shown_at = 0.0
        self._shown = 0
        self._position = self._turned_over()

    def news(self) -> list[str]:
        """Return warnings and errors written since the last call, one short line each.

        At most five in five seconds: a storm of them is for the file.
        """
        return [line for line in map(self._short, self._new_lines()) if line and self._may_show()]

    def _turned_over(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        if self.path.stat().st_size > LIMIT_BYTES:
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            self.path.touch()
        return self.path.stat().st_size

    def _new_lines(self) -> list[bytes]:
        with self.path.open("rb") as log:
            log.seek(self._position)
            fresh = log.read()
        self._position += len(fresh)
        *lines, self._rest = (self._rest + fresh).split(b"\n")
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
        return f"{self._name} {entry.get('level')}: {entry.get('message')} {reason}".rstrip()[:200]

    def _may_show(self) -> bool:
        now = time.monotonic()
        if now - self._shown_at > QUIET_SECONDS:
            self._shown_at, self._shown = now, 0
        self._shown += 1
        return self._shown <= LINES_AT_ONCE
