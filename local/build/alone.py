"""One process at a time in a folder that several runs share."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from local.progress import Ticking


@contextlib.contextmanager
def alone_in(directory: Path, waiting_because: str) -> Iterator[None]:
    """Hold a folder's lock; while another process has it, tell why nothing goes on."""
    with (directory / "lock").open("a") as held:
        with Ticking(waiting_because):
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
