"""The versions that go into a function: those the tests run on, with their sums."""

import re
from collections.abc import Sequence
from pathlib import Path

from local.build.failure import BuildFailed

# functions.txt adds to run.txt; where both name a package, make lock gave it one version.
LOCKS = ("run.txt", "functions.txt")
_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==")


def pinned(names: Sequence[str], requirements: Path) -> str:
    """Return the pins of these packages, a line each, as ``pip --require-hashes`` reads them.

    Raises:  BuildFailed if one of them is in no lock file.
    """
    found: dict[str, str] = {}
    for lock in LOCKS:
        text = (requirements / lock).read_text(encoding="utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            if (match := _PIN.match(line)) is not None:
                found[match[1]] = " ".join(line.split())
    missing = [name for name in names if name not in found]
    if missing:
        raise BuildFailed(
            f"no version of {', '.join(missing)} is pinned in {' or '.join(LOCKS)}: add it to"
            " requirements/functions.in and call make lock"
        )
    return "".join(f"{found[name]}\n" for name in sorted(names))
