"""A folder of its own for the state of each process, below STATE_DIR."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import IO

from streaming_runtime.core.errors import ConfigurationInvalid

# More processes than that on one machine are a mistake, and each would leave a folder.
MAX_PROCESSES = 1_000
# What nobody has written to for so long holds nothing that is still needed.
STALE_SECONDS = 26 * 3600


class StateFolder:
    """One of ``STATE_DIR/0``, ``1``, ...: the first that no living process has.

    The kernel frees the lock of a killed process, so its folder is the next one's: what is in it
    need not be read from Kafka again. There are never more folders than there were processes at
    one time, and those that stay free are removed.

    Raises:  ConfigurationInvalid if STATE_DIR cannot be written to.
    """

    def __init__(self, directory: str) -> None:
        self._parent = Path(directory).absolute()
        try:
            self._parent.mkdir(parents=True, exist_ok=True)
            self._number, self._lock = self._take()
            self._remove_stale()
        except OSError as exc:
            raise ConfigurationInvalid(
                f"STATE_DIR ({directory}) cannot be written to: {exc.strerror}"
            ) from exc

    @property
    def path(self) -> Path:
        return self._parent / str(self._number)

    def of_topic(self, topic_id: str) -> Path:
        """Return the folder for the state that one changelog topic holds; others' is removed.

        A topic that was made anew has another id, and none of its offsets mean what they did.
        """
        path = self.path / topic_id
        path.mkdir(parents=True, exist_ok=True)
        for other in self.path.iterdir():
            if other != path:
                shutil.rmtree(other, ignore_errors=True)
        return path

    def clear(self) -> None:
        """Forget what is kept here: it is read from Kafka again."""
        shutil.rmtree(self.path, ignore_errors=True)

    def close(self) -> None:
        self._lock.close()

    def _take(self) -> tuple[int, IO[bytes]]:
        for number in range(MAX_PROCESSES):
            if (lock := self._locked(number)) is not None:
                return number, lock
        raise OSError(0, f"{MAX_PROCESSES} processes have their state there")

    def _locked(self, number: int) -> IO[bytes] | None:
        lock = (self._parent / f"{number}.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        return lock

    def _remove_stale(self) -> None:
        for path in self._parent.iterdir():
            if path.name.isdecimal() and path != self.path and _is_stale(path):
                lock = self._locked(int(path.name))
                if lock is not None:
                    with lock:
                        shutil.rmtree(path, ignore_errors=True)


def _is_stale(path: Path) -> bool:
    written = [Path(folder).stat().st_mtime for folder, _, _ in os.walk(path)]
    return time.time() - max(written, default=0.0) > STALE_SECONDS
