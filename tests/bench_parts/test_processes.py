import asyncio
import os
import sys
import time

import pytest

from tests.bench.processes import GENERATOR, is_measurable, usage

# Named as the API is, with a child named as the broker is, which works for half a second.
BUSY = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\ntime.sleep(60)"
PARENT = (
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', sys.argv[2], 'kafka.Kafka'],"
    " stdout=subprocess.PIPE)\n"
    "child.stdout.readline()\nprint(flush=True)\nsys.stdin.read()\nchild.kill()\nchild.wait()"
)

on_linux = pytest.mark.skipif(not is_measurable(), reason="this system has no /proc to read")


@on_linux
async def test_cpu_and_memory_are_told_by_part_for_a_process_and_its_children() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, "streaming_runtime.live", BUSY),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await asyncio.wait_for(process.stdout.readline(), 30)

    used = usage(process.pid)

    await process.communicate(b"")
    assert set(used.cpu_seconds) == {GENERATOR, "api", "broker"}
    assert 0.4 <= used.cpu_seconds["broker"] <= 1.0
    assert used.memory_mib["api"] > 1
    assert used.busy_seconds > 0


@on_linux
def test_the_generator_is_measured_without_the_product() -> None:
    before = usage(None)
    began = time.process_time()
    while time.process_time() - began < 0.1:
        pass

    after = usage(None)

    assert after.pids == {os.getpid()}
    assert 0.05 <= after.cpu_seconds[GENERATOR] - before.cpu_seconds[GENERATOR] <= 1.0
