"""Packages for a target, installed once and kept: pruned, compiled, ready to be copied."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from local.build import bytecode, libraries
from local.build.alone import alone_in
from local.build.contents import LEFT_OUT
from local.build.failure import BuildFailed
from local.build.installed import copy_installed
from local.build.pins import pinned
from local.build.target import Target
from local.progress import Ticking

PIP_SECONDS = 900
LAYOUT = "3"  # Another one when what is done to the packages here changes.


class PackageStore:
    """Folders of installed packages, each named by what it was made from."""

    def __init__(self, directory: Path, requirements: Path) -> None:
        self._directory = directory
        self._requirements = requirements

    def installed(self, names: Sequence[str], target: Target) -> Path:
        """Return a folder with just these packages, made for the target; it is not to be changed.

        Raises:  BuildFailed if they cannot be had for it.
        """
        pins = pinned(names, self._requirements)
        directory = self._directory / _digest(pins, target)
        if directory.is_dir():
            return directory
        self._directory.mkdir(parents=True, exist_ok=True)
        with alone_in(self._directory, "another build is installing packages"):
            if not directory.is_dir():
                self._make(directory, pins, target)
        return directory

    def _make(self, directory: Path, pins: str, target: Target) -> None:
        with tempfile.TemporaryDirectory(prefix="making-", dir=self._directory) as making:
            unfinished = Path(making) / "packages"
            count = pins.count("\n")
            with Ticking(f"installing {count} packages for {target.label}"):
                if target.is_this_machine:
                    copy_installed(pins, unfinished)
                else:
                    _install(Path(making), unfinished, pins, target)
            prune(unfinished)
            libraries.trim(unfinished)
            with Ticking("compiling them"):
                # A third of it all; of others' modules a traceback shows lines, not their text.
                bytecode.compile_all(unfinished, target, keeps_source=False)
            unfinished.rename(directory)


def prune(directory: Path) -> None:
    """Remove what is never reached, and what only a compiler or a type checker reads."""
    kinds = ("**/*.pyi", "**/*.pyx", "**/*.pxd", "**/*.h", "**/py.typed", "**/__pycache__")
    for pattern in (*LEFT_OUT, *kinds):
        for path in list(directory.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _digest(pins: str, target: Target) -> str:
    made_from = (
        LAYOUT,
        pins,
        *LEFT_OUT,
        target.label,
        *target.pip_options,
        str(target.interpreter),
    )
    return hashlib.sha256("\n".join(made_from).encode()).hexdigest()[:16]


def _install(making: Path, directory: Path, pins: str, target: Target) -> None:
    lock = making / "requirements.txt"
    lock.write_text(pins, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--no-compile"]
    # Only wheels: nothing is built here that would fit this machine alone.
    wheels = ["--only-binary=:all:", "--no-deps", "--require-hashes", "--target", str(directory)]
    try:
        done = subprocess.run(
            [*pip, *wheels, *target.pip_options, "-r", str(lock)],
            capture_output=True,
            text=True,
            timeout=PIP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise BuildFailed(f"pip did not end within {PIP_SECONDS} s") from slow
    if done.returncode != 0:
        raise BuildFailed(
            f"the packages cannot be had for {target.label} (offline?); pip said last:\n"
            f"{done.stderr.strip()[-1200:]}"
        )
