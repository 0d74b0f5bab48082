"""Native libraries are cut behind what a loader reads, and load all the same."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.build.libraries import mapped, trim

# Found on the path of this environment; each is of another maker.
NAMES = ("multidict._multidict", "cryptography.hazmat.bindings._rust", "msgspec._core")


def library(name: str) -> Path:
    found = importlib.util.find_spec(name)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin)


@pytest.mark.parametrize("name", NAMES)
def test_a_trimmed_library_loads(name: str, tmp_path: Path) -> None:
    top = name.partition(".")[0]
    shutil.copytree(library(top).parent, tmp_path / top)
    trim(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r});"
        f"import importlib; print(importlib.import_module({name!r}).__file__)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path)


def test_what_a_debugger_reads_is_gone_and_nothing_else() -> None:
    body = library("multidict._multidict").read_bytes()

    trimmed = mapped(body)

    assert len(trimmed) < len(body)
    assert trimmed[64:] == body[64 : len(trimmed)]
    assert mapped(trimmed) == trimmed


@pytest.mark.parametrize("body", [b"", b"#!/bin/sh", b"\x7fELF\x01\x01" + b"\x00" * 80])
def test_what_is_no_library_of_this_kind_stays_as_it_is(body: bytes) -> None:
    assert mapped(body) == body
