"""A zip that is the same bytes whenever and wherever it is made of the same files."""

import hashlib
import zipfile
from pathlib import Path

# The earliest date a zip can hold.
DATE = (1980, 1, 1, 0, 0, 0)
LEVEL = 9
_PLAIN, _PROGRAM = 0o100644, 0o100755  # Lambda reads as another user than the one who built.


def files_of(directory: Path) -> list[Path]:
    """Return all files of a folder, sorted by their path in it."""
    found = (path for path in directory.rglob("*") if path.is_file())
    return sorted(found, key=lambda path: path.relative_to(directory).as_posix())


def size_of(directory: Path) -> int:
    """Return the bytes of a folder's files: what Lambda counts as unzipped."""
    return sum(path.stat().st_size for path in files_of(directory))


def write_zip(directory: Path, target: Path) -> str:
    """Write a folder's files into a zip and return its SHA-256 in hexadecimal."""
    unfinished = target.with_name(f".{target.name}.unfinished")
    with zipfile.ZipFile(unfinished, "w") as archive:
        for path in files_of(directory):
            entry = zipfile.ZipInfo(path.relative_to(directory).as_posix(), DATE)
            entry.create_system = 3  # Unix, or the modes below mean nothing.
            entry.external_attr = (_PROGRAM if path.suffix == ".so" else _PLAIN) << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, LEVEL)
    unfinished.replace(target)
    return hashlib.sha256(target.read_bytes()).hexdigest()
