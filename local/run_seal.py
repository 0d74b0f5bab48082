"""What a run on this machine seals cursors and tickets with, beside its keys: random, and kept."""

import os
import secrets
from pathlib import Path

NAME = "seal"
SECRET_BYTES = 32


def run_seal(folder: Path) -> str:
    """Return the secret of a folder, made at its first run; nobody but its owner may read it.

    Without it cursors and tickets would be sealed with what follows from the configured keys: who
    knows the one key of a new run could make tickets of every tenant.
    """
    path = folder / NAME
    if (kept := _kept(path)) is not None:
        return kept
    made = secrets.token_hex(SECRET_BYTES)
    new = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(made)
    new.rename(path)
    return made


def _kept(path: Path) -> str | None:
    try:
        kept = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return kept if len(kept) == 2 * SECRET_BYTES else None
