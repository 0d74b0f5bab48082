"""The product as processes, the way it is deployed: API servers and processing on one broker."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from local.children import die_with_parent, tail
from local.ports import free_port

ROOT = Path(__file__).parent.parent
KEY = "story-key"
START_SECONDS = 30.0
STOP_SECONDS = 15.0


class Process:
    """One process of the product with its log."""

    def __init__(
        self,
        module: str,
        environ: Mapping[str, str],
        log: Path,
        health: tuple[int, str],
        metrics_port: int,
        root: Path = ROOT,
    ) -> None:
        self.log = log
        self.metrics_url = f"http://127.0.0.1:{metrics_port}/metrics"
        self._module = module
        self._environ = environ
        self._health = health
        self._root = root
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def port(self) -> int:
        return self._health[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        await self.launch()
        await self.ready()

    async def launch(self) -> None:
        """Start it and wait for nothing."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self._module),
                cwd=self._root,
                env={**os.environ, **self._environ},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )

    async def ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until it answers 200 where it tells its health."""
        assert self._process is not None
        deadline = time.monotonic() + seconds
        async with httpx.AsyncClient(base_url=self.url, timeout=2) as client:
            while time.monotonic() < deadline:
                with suppress(httpx.TransportError):
                    if (await client.get(self._health[1])).status_code == 200:
                        return
                if self._process.returncode is not None:
                    break
                await asyncio.sleep(0.05)
        raise AssertionError(f"{self._module} did not become ready:\n{tail(self.log, 30)}")

    async def stop(self) -> int:
        """End it as a deploy would, and return its exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
        return await self.ended()

    async def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.kill()
        await self.ended()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self, seconds: float = STOP_SECONDS) -> int:
        """Wait until it has ended, and return its exit code."""
        assert self._process is not None
        try:
            async with asyncio.timeout(seconds):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            raise AssertionError(
                f"{self._module} did not end within {seconds} s:\n{tail(self.log, 30)}"
            ) from None

    async def exited(self) -> int:
        """Wait for its end, however long that takes, and return its exit code."""
        assert self._process is not None
        return await self._process.wait()

    def logged(self) -> list[dict[str, Any]]:
        """Return the lines of its log; each must be a JSON object."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


class Product:
    """API servers and processing that share topics of their own.

    Shape:   ``root`` is the checkout that is started, or a copy of it.
    """

    def __init__(
        self, broker: str, directory: Path, environ: Mapping[str, str], root: Path = ROOT
    ) -> None:
        self.prefix = f"s{secrets.token_hex(4)}."
        self.environ = {
            "KAFKA_BROKER": broker,
            "KAFKA_TOPIC_PREFIX": self.prefix,
            "KAFKA_PARTITIONS": "4",
            "API_KEY": KEY,
            "DRAIN_SECONDS": "1",
            **environ,
        }
        self._directory = directory
        self._root = root
        self.processes: list[Process] = []

    def api(self, **environ: str) -> Process:
        """Return a server, not started."""
        port, metrics = free_port(), free_port()
        own = {"PORT": str(port), "PROMETHEUS_PORT": str(metrics), "HOST": "127.0.0.1"}
        health = (port, "/health/ready")
        return self._process("streaming_runtime.live", own | environ, health, metrics)

    def processing(self, **environ: str) -> Process:
        """Return a processing process, not started."""
        metrics = free_port()
        state = self._directory / f"state{len(self.processes)}"
        own = {"PROCESSING_PROMETHEUS_PORT": str(metrics), "STATE_DIR": str(state)}
        health = (metrics, "/metrics")
        return self._process("streaming_runtime.processing", own | environ, health, metrics)

    async def close(self) -> None:
        for process in reversed(self.processes):
            if process.is_running:
                await process.kill()

    def _process(
        self, module: str, environ: Mapping[str, str], health: tuple[int, str], metrics_port: int
    ) -> Process:
        log = self._directory / f"{module.rpartition('.')[2]}{len(self.processes)}.log"
        own = {**self.environ, **environ}
        process = Process(module, own, log, health, metrics_port, self._root)
        self.processes.append(process)
        return process


@asynccontextmanager
async def product(
    broker: str, directory: Path, environ: Mapping[str, str] | None = None, root: Path = ROOT
) -> AsyncIterator[Product]:
    """Give a product whose processes are gone when the block is left."""
    made = Product(broker, directory, environ or {}, root)
    try:
        yield made
    finally:
        await made.close()
