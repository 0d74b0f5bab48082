"""What a build is for: a processor, a Python version, and an interpreter of that version."""

import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import which

RUNTIME = "3.13"  # Python of template.yaml's Runtime.
ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}
# Amazon Linux 2023 has glibc 2.34; wheels name the oldest glibc that they run on.
_GLIBCS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"
_ASK_SECONDS = 20


@dataclass(frozen=True)
class Target:
    """Shape:   ``interpreter`` compiles the bytecode; None if none of that version was found."""

    label: str
    python: str
    pip_options: tuple[str, ...]
    interpreter: Path | None

    @property
    def is_this_machine(self) -> bool:
        return not self.pip_options


def for_lambda(architecture: str, python: str, interpreter: Path | None) -> Target:
    """Return Lambda's runtime as a target."""
    processor = ARCHITECTURES[architecture]
    platforms = [f"--platform={glibc}_{processor}" for glibc in _GLIBCS]
    options = (*platforms, f"--python-version={python}", "--implementation=cp")
    return Target(f"python{python} on {architecture}", python, options, interpreter)


def for_this_machine() -> Target:
    """Return this very interpreter as a target, for running a function here."""
    python = sysconfig.get_python_version()
    return Target(f"python{python} of this machine", python, (), Path(sys.executable))


def interpreter_of(python: str, named: str, home: Path) -> Path | None:
    """Find an interpreter of a version: the one that was named, or one of the usual places."""
    places = iter([Path(named)]) if named else _usual_places(python, home)
    return next((place for place in places if _version_of(place) == python), None)


def _usual_places(python: str, home: Path) -> Iterator[Path]:
    if sysconfig.get_python_version() == python:
        yield Path(sys.executable)
    if (found := which(f"python{python}")) is not None:
        yield Path(found)
    kept = (home / ".pyenv" / "versions", home / ".local" / "share" / "uv" / "python")
    for folder in kept:
        yield from sorted(folder.glob(f"*{python}*/bin/python{python}"))
    yield from (Path(f"/usr/local/bin/python{python}"), Path(f"/opt/python{python}/bin/python3"))


def _version_of(interpreter: Path) -> str:
    """Return the version an interpreter gives, empty if it is none: a shim may lead nowhere."""
    try:
        done = subprocess.run(
            [str(interpreter), "-S", "-c", _VERSION],
            capture_output=True,
            text=True,
            timeout=_ASK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
