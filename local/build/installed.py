"""Packages for this very machine: copied from our own environment, which holds the same pins."""

import re
import shutil
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from local.build.failure import BuildFailed

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;]+)")


def copy_installed(pins: str, directory: Path) -> None:
    """Copy what is pinned, without a network and in a second.

    Raises:  BuildFailed if our environment holds another version.
    """
    for name, version in _PIN.findall(pins):
        found = _found(name)
        if found.version != version:
            raise BuildFailed(f"{name} is {found.version} here and {version} in its lock file")
        for file in found.files or ():
            # Programs stand outside of the packages' folder.
            if ".." not in file.parts and file.suffix != ".pyc":
                target = directory / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), target)


def _found(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as missing:
        raise BuildFailed(f"{name} is not installed: make setup installs it") from missing
