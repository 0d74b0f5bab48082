"""Functions built for this machine, kept between runs: made anew only when something changed."""

import fcntl
import hashlib
import os
import shutil
import time
from pathlib import Path

from local.build.alone import alone_in
from local.build.build import Builder
from local.build.contents import LEFT_OUT, package_sets
from local.build.functions import Function
from local.build.own_code import reachable
from local.build.packages import PackageStore
from local.build.pins import pinned
from local.build.target import for_this_machine
from local.progress import Ticking

KEPT_SECONDS = 600.0  # Of those that no run uses: whoever goes back to a change has it again.


class ReadyMade:
    """Shape:   ``.local/functions/NAME-DIGEST/``: several runs may each use their own at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._target = for_this_machine()
        self._requirements = root / "requirements"
        store = PackageStore(root / ".local" / "packages", self._requirements)
        self._builder = Builder(root, store, self._target)
        self._directory = root / ".local" / "functions"
        self._held: dict[Path, int] = {}

    def directory(self, function: Function) -> Path:
        """Return the folder of a function as it would be deployed, but for this interpreter.

        Raises:  BuildFailed.
        """
        directory = self._directory / f"{function.name}-{self._digest(function)}"
        self._directory.mkdir(parents=True, exist_ok=True)
        with alone_in(self._directory, "another run is building the functions"):
            if not directory.is_dir():
                with Ticking(f"building {function.name}"):
                    self._builder.build(function, directory)
            os.utime(directory)
            self._hold(directory)
            self._drop_old(function)
        return directory

    def _hold(self, directory: Path) -> None:
        """Keep other runs from removing it while this process lives: functions import late."""
        if directory not in self._held:
            self._held[directory] = os.open(directory, os.O_RDONLY)
            fcntl.flock(self._held[directory], fcntl.LOCK_SH)

    def _drop_old(self, function: Function) -> None:
        for directory in self._directory.glob(f"{function.name}-*"):
            if time.time() - directory.stat().st_mtime > KEPT_SECONDS and _is_free(directory):
                shutil.rmtree(directory, ignore_errors=True)

    def _digest(self, function: Function) -> str:
        summed = hashlib.sha256("\n".join((self._target.label, *LEFT_OUT)).encode())
        for names in package_sets(function):
            summed.update(pinned(names, self._requirements).encode())
        for path in reachable(function.module, self._root):
            summed.update(str(path).encode())
            summed.update((self._root / path).read_bytes())
        return summed.hexdigest()[:16]


def _is_free(directory: Path) -> bool:
    """Say whether no process holds a folder."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
