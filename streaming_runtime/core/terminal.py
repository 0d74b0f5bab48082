"""What a command says: what was asked for on standard output, words about it beside that."""

from __future__ import annotations

import sys


def say(*lines: str) -> None:
    """Write lines that another program may read."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write what is for whoever sits there."""
    sys.stderr.write(f"{text}\n")
