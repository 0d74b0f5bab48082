"""DATA_DIR of one run: nobody else's meanwhile, with the process ids of the children in it."""

import fcntl
import json
import os
from pathlib import Path
from typing import IO

from local.children import stop_leftover

LEFTOVER_SECONDS = 5.0


class DirectoryTaken(Exception):
    """Another run is using the directory."""


class DirectoryUnusable(Exception):
    """Nothing can be written there."""


class RunDirectory:
    """Shape:   ``run.lock`` held while a run lives, ``run.json`` name to process id, ``broker`` its
    address for commands beside the run, ``logs/``.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory
        self._lock: IO[str] | None = None
        self._pids: dict[str, int] = {}

    @property
    def mark(self) -> str:
        """Return what stands in the command line of each child of this directory."""
        return f"millrace={self.path} "

    def take(self) -> None:
        """Claim it until ``release``; the kernel releases it for a killed run.

        Raises:  DirectoryTaken if another run lives; DirectoryUnusable if nothing can be written.
        """
        try:
            (self.path / "logs").mkdir(parents=True, exist_ok=True)
            lock = (self.path / "run.lock").open("a+")
        except OSError as problem:
            raise DirectoryUnusable(
                f"DATA_DIR ({self.path}) cannot be written to, {problem.strerror}: choose another"
                " directory with DATA_DIR or --data"
            ) from problem
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise DirectoryTaken(
                f"Another run (process {holder}) is using {self.path}: stop it, or choose"
                " another directory with DATA_DIR or --data"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    async def stop_leftovers(self) -> list[str]:
        """End the children of a killed run, where the kernel has not; return their names."""
        try:
            recorded = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        children = recorded.items() if isinstance(recorded, dict) else ()
        return [
            str(name)
            for name, pid in children
            if isinstance(pid, int) and await stop_leftover(pid, self.mark, LEFTOVER_SECONDS)
        ]

    def record(self, name: str, pid: int) -> None:
        """Remember a child for a next run."""
        self._pids[name] = pid
        written = self.path / "run.json.new"
        written.write_text(json.dumps(self._pids), encoding="utf-8")
        written.replace(self.path / "run.json")

    def note_broker(self, bootstrap: str) -> None:
        """Tell commands that are started beside this run where its broker is."""
        written = self.path / "broker.new"
        written.write_text(f"{bootstrap}\n", encoding="utf-8")
        written.replace(self.path / "broker")

    def release(self) -> None:
        """Let go; the children are gone."""
        if self._lock is not None:
            (self.path / "broker").unlink(missing_ok=True)
            (self.path / "run.json").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None
