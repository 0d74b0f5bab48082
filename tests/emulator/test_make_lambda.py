"""``make lambda`` as a person meets it: three commands, and Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from pathlib import Path

import pytest

from local.children import command_line
from tests.client import frame
from tests.emulator.emulated import emulated, is_frozen
from tests.eventually import eventually

pytestmark = pytest.mark.timeout(240)


async def shell(script: str, seconds: float = 20) -> str:
    """Return what a script prints; one that does not end by itself is ended."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", script),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(seconds):
        output, _ = await process.communicate()
    return output.decode()


async def test_the_three_commands_work_and_ctrl_c_leaves_nothing(
    broker: str, tmp_path: Path
) -> None:
    async with emulated(broker, tmp_path / "data") as running:
        start, send, read = re.findall(r"^(?:STREAM|curl).*$", running.run.printed, re.MULTILINE)
        # The last one streams for as long as one likes: here until its first result.
        watched = read.replace("curl -sS -N", "curl -sS -N --max-time 3")

        said = await shell(f"{start}; {send}; {watched}")

        stream, receipt, *events = said.splitlines()
        assert len(stream) >= 22
        assert json.loads(receipt)["stream_id"] == stream
        [result] = [json.loads(line[6:]) for line in events if line.startswith("data: ")]
        assert (result["data"], result["stream_id"]) == ("sample data", stream)
        states = [await running.state(name) for name in ("start", "send", "results")]
        assert [state["invocations"] for state in states] == [1, 1, 0]

        async with running.client() as client:
            page = await client.page(stream)
            assert [one["data"] for one in page["results"]] == ["sample data"]
            async with client.socket(stream) as socket:
                kinds = [(await frame(socket))["type"] for _ in range(2)]
            assert kinds == ["position", "result"]
            missing = await client.http.get("/nowhere")
            assert missing.json()["code"] == "not-found"
        pids = await running.pids()
        assert len(pids) == 3
        assert all(is_frozen(pid) for pid in pids)

        running.run.process.send_signal(signal.SIGINT)
        assert await running.run.ended() == 0
        await eventually(lambda: not any(command_line(pid) for pid in pids))
