"""A loop that hangs ends its process and says where; one that is only late does not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, cast

ROOT = Path(__file__).parent.parent.parent
HANGING = (sys.executable, "-m", "tests.live.hanging")


def test_a_loop_that_hangs_ends_the_process_and_names_the_place() -> None:
    ended = subprocess.run(
        [*HANGING, "50"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )

    [line] = [json.loads(line) for line in ended.stdout.splitlines() if "hangs" in line]
    assert ended.returncode == 1
    assert line["level"] == "critical"
    assert "stuck_here" in line["stack"]


def test_a_loop_that_is_late_is_let_go_on() -> None:
    ended = subprocess.run(
        [*HANGING, "0.4"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_process_that_was_stopped_and_goes_on_is_not_hung() -> None:
    with subprocess.Popen([*HANGING, "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as stopped:
        try:
            assert "ready" in cast(IO[str], stopped.stdout).readline()
            stopped.send_signal(signal.SIGSTOP)
            time.sleep(1.5)  # longer than a loop may hang here
            stopped.send_signal(signal.SIGCONT)

            assert stopped.wait(20) == 0
        finally:
            stopped.kill()
