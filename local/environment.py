"""Makes ``.venv`` from a hash-pinned lock file. Standard library only: it comes first.

``python3 -m local.environment run`` is what every make target calls first. When nothing has changed
it reads one small file and is done.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETS = ("run", "test", "bench")  # Each holds the one before it, in the same versions.
OLDEST = (3, 11)
RETRIES = "2"  # pip's five, with growing pauses for each package, look like a hang when offline.
_IN_THE_WAY = ("PIP_TARGET", "PIP_PREFIX", "PYTHONHOME")
# PIP_USER also stands against `user = true` in a configuration file.
_PIP_SETTINGS = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_USER": "0"}
_OFFLINE_WORDS = (
    "NewConnectionError",
    "NameResolutionError",
    "No matching distribution",
    "timed out",
)


class Unprepared(Exception):
    """The environment could not be made; the text says what to do."""


class Environment:
    """The virtual environment of one checkout, and what it is known to hold.

    Shape:   ``installed.json`` in it says which Python and which lock files it was made from; it
             is written last. ``.venv.unfinished`` beside it stands while something is under way,
             so what a killed run left is made anew.
    """

    def __init__(self, root: Path = ROOT, version: str = sys.version) -> None:
        self.directory = root / ".venv"
        self.python = self.directory / "bin" / "python"
        self._root = root
        self._version = version
        self._stamp = self.directory / "installed.json"
        self._unfinished = root / ".venv.unfinished"

    def holds(self, name: str) -> bool:
        """Return whether set ``name``, or one that includes it, is completely installed."""
        installed = self._installed()
        return any(installed.get(larger) == self._digest(larger) for larger in _larger(name))

    def prepare(self, name: str) -> None:
        """Install set ``name`` if it is not there.

        Raises:  Unprepared, with what to do about it.
        """
        if self.holds(name):
            return
        try:
            with _Alone(self._root / ".local" / "environment.lock") as lock:
                if not self.holds(name):
                    self._make(name, lock)
        except OSError as problem:
            raise Unprepared(
                f".venv cannot be made in {self._root}: {problem.strerror}"
                f" ({problem.filename or 'no file named'})"
            ) from problem

    def _make(self, name: str, lock: int) -> None:
        grows = any(self.holds(smaller) for smaller in SETS)
        self._unfinished.touch()
        if not grows:
            self._create(lock)
        self._install(name, lock)
        self._write_stamp(name)
        self._unfinished.unlink()

    def _installed(self) -> dict[str, str]:
        # Its Python is a link to the one it was made with, which may have been removed since.
        if self._unfinished.exists() or not os.access(self.python, os.X_OK):
            return {}
        try:
            stamp = json.loads(self._stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        known = isinstance(stamp, dict) and stamp.get("python") == self._version
        return stamp.get("sets", {}) if known else {}

    def _digest(self, name: str) -> str:
        lock = self._root / "requirements" / f"{name}.txt"
        return hashlib.sha256(lock.read_bytes()).hexdigest()

    def _write_stamp(self, name: str) -> None:
        smaller = SETS[: SETS.index(name) + 1]
        stamp = {"python": self._version, "sets": {each: self._digest(each) for each in smaller}}
        unfinished = self._stamp.with_suffix(".new")
        unfinished.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
        unfinished.replace(self._stamp)

    def _create(self, lock: int) -> None:
        from local.progress import say  # noqa: PLC0415 - the quick way imports only what it uses

        say(f"Making .venv with Python {sys.version.split()[0]}")
        base = getattr(sys, "_base_executable", None) or sys.executable
        code, seen = _run([base, "-m", "venv", "--clear", str(self.directory)], lock, [])
        if code != 0:
            said = "".join(seen).strip()[-800:]
            raise Unprepared(
                f"This Python cannot make virtual environments. On Debian or Ubuntu:"
                f" apt install python3-venv\n{said}"
            )

    def _install(self, name: str, lock: int) -> None:
        from local.progress import Ticking, say  # noqa: PLC0415

        requirements = self._root / "requirements" / f"{name}.txt"
        count = _pinned(requirements)
        say(f"Installing up to {count} packages from requirements/{name}.txt, once")
        pip = [str(self.python), "-m", "pip", "install", "--require-hashes", "--no-input"]
        options = ["--progress-bar", "off", "--retries", RETRIES, "-r", str(requirements)]
        seen: list[str] = []
        with Ticking("installing", lambda: _stage(seen, count)):
            code, _ = _run([*pip, *options], lock, seen)
        if code != 0:
            raise Unprepared(_explained(seen))


def _run(command: list[str], lock: int, seen: list[str]) -> tuple[int, list[str]]:
    """Run a command whose lines go to ``seen`` at once; it ends when we do.

    The lock is its standard input, which its own children inherit as well: whatever outlives us
    keeps the next run waiting, so no two ever change the environment.
    """
    from local.children import die_with_parent  # noqa: PLC0415

    kept = {name: value for name, value in os.environ.items() if name not in _IN_THE_WAY}
    with subprocess.Popen(
        command,
        env={**kept, **_PIP_SETTINGS},
        stdin=lock,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=die_with_parent(),  # noqa: PLW1509 - it only asks the kernel
    ) as process:
        assert process.stdout is not None
        try:
            seen.extend(process.stdout)
        except BaseException:
            process.terminate()
            raise
    return process.returncode, seen


class _Alone:
    """Lets one process at a time change the environment; the kernel frees a killed one's lock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> int:
        import fcntl  # noqa: PLC0415

        from local.progress import Ticking  # noqa: PLC0415

        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a+")
        with Ticking("another make is installing, waiting for it"):
            fcntl.flock(self._file, fcntl.LOCK_EX)
        return self._file.fileno()

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _larger(name: str) -> tuple[str, ...]:
    return SETS[SETS.index(name) :]


def _pinned(requirements: Path) -> int:
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return sum("==" in line and not line.startswith((" ", "#")) for line in lines)


def _stage(seen: list[str], count: int) -> str:
    if any(line.startswith("Installing collected") for line in seen):
        return "unpacking"
    found = sum(line.startswith(("Collecting", "Requirement already")) for line in seen)
    return f"{found} of {count} packages"


def _explained(seen: list[str]) -> str:
    said = "".join(seen[-6:]).strip()[-1200:]
    advice = "The packages could not be installed; what pip said last:"
    if any(word in line for word in _OFFLINE_WORDS for line in seen):
        advice = (
            "The packages are not all here and could not be fetched: this machine seems to be"
            " offline.\nOnce installed they stay in .venv and no network is needed. What pip said"
            " last:"
        )
    return f"{advice}\n{said}"


def main(arguments: list[str]) -> int:
    """Prepare the set that is named; with ``--check`` only say by the exit code if it is there."""
    if sys.version_info < OLDEST:
        sys.stderr.write(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}\n")
        return 2
    names = [argument for argument in arguments if argument in SETS]
    if len(names) != 1:
        sys.stderr.write(f"usage: python3 -m local.environment {'|'.join(SETS)} [--check]\n")
        return 2
    environment = Environment()
    if "--check" in arguments:
        return 0 if environment.holds(names[0]) else 1
    from local.children import follow_make  # noqa: PLC0415

    follow_make(os.environ)
    try:
        environment.prepare(names[0])
    except Unprepared as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped; the next start takes it from here.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
