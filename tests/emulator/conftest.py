"""Functions built once for all tests of a worker; the folders stay for the next run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from local.build.functions import function_named
from local.build.ready_made import ReadyMade
from tests.local.processes import ROOT

Built = Callable[[str], Path]


@pytest.fixture(scope="session")
def built() -> Built:
    """Give what returns the folder of a function, built for this machine."""
    ready = ReadyMade(ROOT)
    return lambda name: ready.directory(function_named(name))
