"""The scripts' own tests, run by Node: they are plain modules, and need no browser."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "scripts"
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="there is no node on PATH to run the scripts' tests with")
@pytest.mark.parametrize("name", sorted(file.name for file in SCRIPTS.glob("*.test.mjs")))
def test_scripts_keep_what_they_promise(name: str) -> None:
    assert NODE is not None

    run = subprocess.run(
        [NODE, "--test", name],
        cwd=SCRIPTS,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert "# fail 0" in run.stdout or "fail 0" in run.stdout
