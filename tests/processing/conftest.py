"""Processing as processes, each test with topics of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.children import die_with_parent
from local.ports import free_port
from tests.processing.traffic import Traffic
from tests.product import ROOT, Product


@dataclass
class Running:
    """A process and its topics, shared by the tests of a module."""

    traffic: Traffic
    metrics_port: int
    log: Path


@pytest.fixture
async def traffic(broker: str) -> Traffic:
    """Give topics that stand."""
    traffic = Traffic(broker)
    await traffic.make_topics()
    return traffic


@pytest.fixture
async def processes(broker: str, tmp_path: Path) -> AsyncIterator[Product]:
    """Give a maker of processes; they are gone after the test."""
    made = Product(broker, tmp_path, {})
    yield made
    await made.close()


@pytest.fixture(scope="module")
def running(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give one process over topics that stand; its tests tell their records apart by key."""
    traffic, port, directory = Traffic(broker), free_port(), tmp_path_factory.mktemp("processing")
    asyncio.run(traffic.make_topics())
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streaming_runtime.processing"],
            cwd=ROOT,
            env={
                **os.environ,
                **traffic.environ,
                "PROCESSING_PROMETHEUS_PORT": str(port),
                "STATE_DIR": str(directory / "state"),
            },
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - no lock is taken in it
        )
    yield Running(traffic, port, directory / "log")
    process.terminate()
    assert process.wait(5) == 0
