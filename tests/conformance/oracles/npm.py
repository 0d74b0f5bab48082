"""Installs what package-lock.json names, where Node and npm are."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import subprocess
from pathlib import Path

from ..target import NotThere

FOLDER = Path(__file__).parent.parent / "node"
LOCK = "package-lock.json"
# npm writes it last, so it is there when all the rest is.
INSTALLED = Path("node_modules", ".package-lock.json")
OLDEST_NODE = 20
INSTALL_SECONDS = 90.0
WORDS = 10.0


def must_install() -> bool:
    """Say whether the next ``node`` will take a while, and look for packages elsewhere."""
    return (
        shutil.which("node") is not None
        and shutil.which("npm") is not None
        and not _is_there(FOLDER)
    )


def node(folder: Path = FOLDER) -> str:
    """Return the path of a Node that can run what is in a folder, after its packages are there.

    Raises:  NotThere, with what this machine lacks.
    """
    path, npm = shutil.which("node"), shutil.which("npm")
    if path is None:
        raise NotThere("there is no node on PATH to run npm's packages with")
    version = _run(folder, path, "--version")
    if int(re.sub(r"\D*(\d+).*", r"\1", version)) < OLDEST_NODE:
        raise NotThere(f"node {version} is older than {OLDEST_NODE}")
    # Two runs at once would take each other's folder away.
    with (folder / LOCK).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_there(folder):
            if npm is None:
                raise NotThere("there is no npm on PATH to install JavaScript packages with")
            _run(folder, npm, "ci", "--ignore-scripts", seconds=INSTALL_SECONDS)
    return path


def _is_there(folder: Path) -> bool:
    installed = folder / INSTALLED
    if not installed.exists():
        return False
    wanted, found = (
        json.loads(file.read_text())["packages"] for file in (folder / LOCK, installed)
    )
    wanted.pop("")
    return bool(wanted == found)


def _run(folder: Path, *command: str, seconds: float = WORDS) -> str:
    """Return what a command says, its first line alone.

    Raises:  NotThere, with its own words, if it fails or takes too long.
    """
    name = " ".join((Path(command[0]).name, *command[1:]))
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotThere(f"`{name}` did not end within {seconds:.0f} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()
        raise NotThere(f"`{name}` failed with {done.returncode}: {' '.join(said)[:300]}")
    return done.stdout.strip()
