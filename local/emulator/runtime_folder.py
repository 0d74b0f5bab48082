"""What Lambda's own image holds beside a function: the runtime client and boto3, nothing else."""

import importlib.util
from pathlib import Path

# Not what our environment holds besides: a function that forgot a package has to fail here too.
MODULES = (
    "awslambdaric",
    "runtime_client",
    "simplejson",
    "snapshot_restore_py",
    "boto3",
    "botocore",
    "s3transfer",
    "dateutil",
    "six",
    "urllib3",
    "jmespath",
)


class RuntimeMissing(Exception):
    """The runtime client is not installed."""


def make_runtime_folder(directory: Path) -> Path:
    """Fill a folder with links to what Lambda's image has, and return it.

    Raises:  RuntimeMissing.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name in MODULES:
        place = _place_of(name)
        link = directory / place.name
        if link.is_symlink() and link.readlink() != place:
            link.unlink()
        if not link.exists():
            link.symlink_to(place)
    return directory


def _place_of(name: str) -> Path:
    """Return the folder or file that a module is imported from."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise RuntimeMissing(
            f"{name} is not installed, and the functions run under it: make setup installs it"
        )
    origin = Path(found.origin)
    return origin.parent if origin.name == "__init__.py" else origin
