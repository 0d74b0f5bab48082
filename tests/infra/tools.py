"""Tools that cannot live beside the product: each has an environment and a lock of its own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from tests.infra.templates import REGION, ROOT

INSTALL_SECONDS = 600
RUN_SECONDS = 300
# None of them may tell anybody, look for a newer version, or find an account of somebody's.
ENVIRON = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "SAM_CLI_TELEMETRY": "0",
}


class ToolMissing(Exception):
    """A tool could not be installed; the text says why."""


class Tool:
    """A command of a package, installed at its first use from ``requirements/NAME.txt``."""

    def __init__(self, name: str, root: Path = ROOT) -> None:
        self._lock = root / "requirements" / f"{name}.txt"
        self._folder = root / ".local" / "tools" / name
        self._stamp = self._folder / "installed"
        self._command = self._folder / "bin" / name

    def run(self, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """Run the command to its end and return what it said.

        Raises:  ToolMissing.
        """
        self._install()
        return subprocess.run(
            [str(self._command), *arguments],
            cwd=cwd,
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder), **ENVIRON},
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )

    def _install(self) -> None:
        wanted = f"{sys.version_info[:2]} {hashlib.sha256(self._lock.read_bytes()).hexdigest()}"
        if self._stamp.is_file() and self._stamp.read_text(encoding="utf-8") == wanted:
            return
        venv.create(self._folder, with_pip=True, clear=True, symlinks=True)
        # The lock names all there is; pip's own resolver stumbles over extras beside sums.
        self._pip("install", "--no-deps", "--require-hashes", "-r", str(self._lock))
        self._stamp.write_text(wanted, encoding="utf-8")

    def _pip(self, *arguments: str) -> None:
        options: Sequence[str] = ("--quiet", "--disable-pip-version-check", "--no-input")
        done = subprocess.run(
            [str(self._folder / "bin" / "python"), "-m", "pip", *options, *arguments],
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise ToolMissing(f"{self._lock.name} could not be installed: {done.stderr[-800:]}")
