"""One function as a folder: its packages, the modules of ours that it reaches, their bytecode."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local.build import bytecode
from local.build.archive import files_of, size_of, write_zip
from local.build.contents import package_sets
from local.build.failure import BuildFailed
from local.build.functions import Function
from local.build.own_code import reachable
from local.build.packages import PackageStore
from local.build.target import Target

MOST_BYTES = 30_000_000
_DATE = 315_532_800  # 1980-01-01, as in a zip.


@dataclass(frozen=True)
class Built:
    """A function that stands in ``directory``."""

    function: Function
    directory: Path
    unzipped_bytes: int


@dataclass(frozen=True)
class Zipped:
    """Its zip."""

    path: Path
    zipped_bytes: int
    digest: str


class Builder:
    """Builds functions of one checkout for one target."""

    def __init__(self, root: Path, store: PackageStore, target: Target) -> None:
        self._root = root
        self._store = store
        self._target = target

    def build(self, function: Function, directory: Path) -> Built:
        """Make ``directory`` anew; what stood there is replaced only by a whole build.

        Raises:  BuildFailed if packages are missing or it became too large.
        """
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=directory.parent) as making:
            unfinished = Path(making) / "function"
            self.fill(function, unfinished)
            _put_in_place(unfinished, directory, Path(making) / "old")
        return Built(function, directory, size_of(directory))

    def fill(self, function: Function, directory: Path) -> None:
        """Put a function into a folder that is new or empty.

        Raises:  BuildFailed, as ``build``.
        """
        for names in package_sets(function):
            shutil.copytree(
                self._store.installed(names, self._target),
                directory,
                copy_function=shutil.copyfile,
                dirs_exist_ok=True,
            )
        with tempfile.TemporaryDirectory(prefix="own-", dir=directory.parent) as own:
            self._copy_own(function, Path(own))
            bytecode.compile_all(Path(own), self._target)
            shutil.copytree(own, directory, copy_function=shutil.copyfile, dirs_exist_ok=True)
        _settle(function, directory)

    def _copy_own(self, function: Function, directory: Path) -> None:
        for path in reachable(function.module, self._root):
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._root / path, directory / path)


def zipped(built: Built, target: Path) -> Zipped:
    """Write a built function's zip."""
    digest = write_zip(built.directory, target)
    return Zipped(target, target.stat().st_size, digest)


def _settle(function: Function, directory: Path) -> None:
    """Give all files one date and mode, and refuse what is too large."""
    for path in files_of(directory):
        path.chmod(0o755 if path.suffix == ".so" else 0o644)
        os.utime(path, (_DATE, _DATE))
    if (size := size_of(directory)) > MOST_BYTES:
        raise BuildFailed(
            f"{function.name} has {size / 1e6:.1f} MB unzipped, more than {MOST_BYTES / 1e6:.0f}:"
            " local/build/contents.py says what goes in"
        )


def _put_in_place(unfinished: Path, directory: Path, old: Path) -> None:
    if directory.exists():
        directory.rename(old)
    unfinished.rename(directory)
