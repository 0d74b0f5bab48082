"""The lock files of ``requirements/``: each package with its version, sums, and who asks for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.tree import ROOT

LOCKS = ROOT / "requirements"
JARS = ROOT / "local" / "kafka-jars.sha256"
PIN = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[\w,-]+\])?==(?P<version>[\w.!+]+)(?: ;.*)?")
SUM = re.compile(r"--hash=sha256:([0-9a-f]{64})")
JAR = re.compile(r"(?P<sum>[0-9a-f]{64})  (?P<name>.+?)-(?P<version>\d[\w.-]*)\.jar")


class NotPinned(Exception):
    """A line of a lock file that does not name one version with its sums."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One package of a set.

    Shape:   ``sums`` are SHA-256 of the files that may be installed for it; ``asked_by`` are the
             packages of the set that need it, empty for one that is asked for by hand.
    """

    name: str
    version: str
    sums: tuple[str, ...]
    asked_by: tuple[str, ...] = ()


def sets() -> list[str]:
    """Return the names of all sets that are locked."""
    return sorted(path.stem for path in LOCKS.glob("*.txt"))


def pins_of(name: str, folder: Path = LOCKS) -> list[Pin]:
    """Return the packages of a set.

    Raises:  NotPinned.
    """
    text = (folder / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    return [_pin(block) for block in _blocks(text)]


def jars() -> list[Pin]:
    """Return the jars of the embedded broker, which `make run` fetches.

    Raises:  NotPinned.
    """
    found = []
    for line in JARS.read_text(encoding="utf-8").splitlines():
        match = JAR.fullmatch(line)
        if match is None:
            raise NotPinned(line)
        found.append(Pin(match["name"], match["version"], (match["sum"],)))
    return found


def _blocks(text: str) -> Iterator[list[str]]:
    """Give each requirement with the comments below it."""
    block: list[str] = []
    for line in text.splitlines():
        is_comment = line.startswith((" ", "#"))
        if line.strip() and not is_comment:
            if block:
                yield block
            block = [line]
        elif is_comment and block:
            block.append(line)
    if block:
        yield block


def _pin(block: list[str]) -> Pin:
    requirement, *sums = re.split(r"\s+(?=--hash)", block[0].strip())
    match = PIN.fullmatch(requirement)
    hashed = [SUM.fullmatch(one.strip()) for one in sums]
    if match is None or not hashed or None in hashed:
        raise NotPinned(block[0][:120])
    words = " ".join(line.strip("# ") for line in block[1:]).removeprefix("via").split()
    asked_by = tuple(sorted(word for word in words if word != "-r" and "/" not in word))
    found = tuple(one[1] for one in hashed if one is not None)
    return Pin(match["name"].lower(), match["version"], found, asked_by)
