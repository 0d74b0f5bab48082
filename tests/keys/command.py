"""The command as somebody types it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent


class Done(NamedTuple):
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str


def keys(*words: str, cwd: Path, environ: Mapping[str, str] | None = None) -> Done:
    """Run the command in a folder of its own, with no variable of ours but those given."""
    own = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "streaming_runtime.keys", *words],
        cwd=cwd,
        env={**own, "PYTHONPATH": str(ROOT), **(environ or {})},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
