"""``make lambda`` as a process of a test, on the tests' broker."""

from __future__ import annotations

import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from local.children import command_line
from local.options import TEST_KEY
from local.ports import free_port
from tests.client import Client
from tests.eventually import eventually
from tests.local.processes import Run, started

READY = "Ctrl-C stops everything."
START_SECONDS = 150.0
Json = dict[str, Any]


class Emulated:
    """A running emulator: its clients' port, its control port, and what it printed."""

    def __init__(self, run: Run, port: int, control_port: int) -> None:
        self.run = run
        self.url = f"http://127.0.0.1:{port}"
        self.control_url = f"http://127.0.0.1:{control_port}"

    def client(self) -> Client:
        return Client(self.url, TEST_KEY)

    async def state(self, function: str) -> Json:
        """Return what the sandboxes of a function have done."""
        async with httpx.AsyncClient(base_url=self.control_url) as control:
            found: Json = (await control.get("/state")).json()["functions"][function]
        return found

    async def pids(self) -> list[int]:
        """Return the processes of all functions."""
        async with httpx.AsyncClient(base_url=self.control_url) as control:
            functions = (await control.get("/state")).json()["functions"].values()
        return [box["pid"] for one in functions for box in one["sandboxes"]]

    async def arm(self, function: str, fault: str, times: int | None = 1) -> None:
        async with httpx.AsyncClient(base_url=self.control_url) as control:
            asked = {"function": function, "fault": fault, "times": times}
            answer = await control.post("/faults", json=asked)
        assert answer.status_code == 200, answer.text

    async def choose(self, form: str) -> None:
        """Have the functions get another front's events from now on."""
        async with httpx.AsyncClient(base_url=self.control_url) as control:
            answer = await control.put("/events", json={"form": form})
        assert (answer.status_code, answer.json()["events"]) == (200, form), answer.text

    async def faults_left(self) -> list[Json]:
        async with httpx.AsyncClient(base_url=self.control_url) as control:
            left: list[Json] = (await control.get("/state")).json()["faults"]
        return left

    async def disarm(self) -> None:
        async with httpx.AsyncClient(base_url=self.control_url) as control:
            await control.delete("/faults")


@asynccontextmanager
async def emulated(
    broker: str, data: Path, *flags: str, **variables: str
) -> AsyncIterator[Emulated]:
    """Start it and wait until it is ready; none of its processes is left at the end."""
    port = free_port()
    control = free_port(port + 1)
    ports = ("--port", str(port), "--control-port", str(control), "--prometheus-port", "0")
    kafka = {"KAFKA_BROKER": broker, "KAFKA_TOPIC_PREFIX": f"e{secrets.token_hex(4)}."}
    data.mkdir(parents=True, exist_ok=True)
    async with started(
        *(sys.executable, "-m", "local.emulator", *ports, "--data", str(data), *flags),
        cwd=data,
        **{**kafka, "KAFKA_PARTITIONS": "4", "DRAIN_SECONDS": "1", **variables},
    ) as run:
        # A fresh checkout builds the functions first, and another worker may be at it.
        ended = run.process
        await eventually(
            lambda: READY in run.printed or ended.returncode is not None, START_SECONDS
        )
        assert READY in run.printed, run.printed
        running = Emulated(run, port, control)
        yield running
        pids = await running.pids() if run.process.returncode is None else []
        if run.process.returncode is None:
            run.process.terminate()
        assert await run.ended() == 0, run.printed
        assert not any(command_line(pid) for pid in pids)


def is_frozen(pid: int) -> bool:
    """Say whether a process stands still."""
    status = Path(f"/proc/{pid}/stat").read_text()
    return status.rpartition(")")[2].split()[0] == "T"
