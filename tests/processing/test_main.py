"""How the process ends: its exit codes, and what it says."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from local.ports import free_port
from tests.product import ROOT, Product

START_SECONDS = 30


def ended(environ: Mapping[str, str], directory: Path) -> tuple[int, str, list[dict[str, object]]]:
    """Run it until it ends by itself; return its exit code, its stderr and its log lines."""
    own = {"KAFKA_BROKER": f"127.0.0.1:{free_port()}", "STATE_DIR": str(directory)}
    said = subprocess.run(
        [sys.executable, "-m", "streaming_runtime.processing"],
        cwd=ROOT,
        env={**os.environ, "PROCESSING_PROMETHEUS_PORT": "0", **own, **environ},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    return said.returncode, said.stderr, [json.loads(line) for line in said.stdout.splitlines()]


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"KAFKA_BROKER": "nowhere"}, "KAFKA_BROKER (nowhere)"),
        ({"PROCESSING_GUARANTEE": "perhaps"}, "PROCESSING_GUARANTEE (perhaps)"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL (loud)"),
        ({"STATE_DIR": "/dev/null/state"}, "STATE_DIR (/dev/null/state)"),
    ],
)
def test_settings_that_cannot_be_used_are_named_on_stderr_and_in_the_log(
    environ: dict[str, str], named: str, tmp_path: Path
) -> None:
    code, stderr, log = ended(environ, tmp_path)

    assert code == 2
    assert named in stderr
    assert "Traceback" not in stderr
    assert named in str(log[-1]["reason"])


def test_a_taken_metrics_port_is_named_too(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        code, stderr, _ = ended({"PROCESSING_PROMETHEUS_PORT": port}, tmp_path)

    assert code == 2
    assert f"PROCESSING_PROMETHEUS_PORT ({port})" in stderr


async def test_told_to_stop_while_it_waits_for_its_topics_it_leaves_at_once(
    broker: str, processes: Product
) -> None:
    prefix = f"p{secrets.token_hex(4)}."
    process = processes.processing(KAFKA_TOPIC_PREFIX=prefix)
    await process.start()
    started = time.monotonic()

    # Once: a second signal would end it at once, and with another code.
    process.signal(signal.SIGTERM)
    code = await process.ended()

    assert code == 0
    assert time.monotonic() - started < 5
