"""The whole product on one machine: broker, then processing and API; stopped in reverse."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping

from local.broker import USUAL_PORT, Broker
from local.http_get import get
from local.metrics import MetricsPage
from local.options import Options
from local.ports import free_port, is_free
from local.progress import Ticking, say, warn
from local.run_directory import RunDirectory
from local.supervised import ChildFailed, Supervised
from local.welcome import welcome

READY_SECONDS = 120.0
POLL_SECONDS = 0.05
PROCESSING_GRACE_SECONDS = 10.0
API_GRACE_SECONDS = 5.0  # On top of its draining.
COMMANDS = {
    "api": ["-m", "streaming_runtime.live"],
    "processing": ["-m", "streaming_runtime.processing"],
}
_EVERY_INTERFACE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class PortTaken(Exception):
    """PORT is somebody else's."""


class BrokerEnded(Exception):
    """The embedded broker is gone, and nothing can go on without it."""


class Product:
    """Everything one run started."""

    def __init__(self, options: Options, commands: Mapping[str, list[str]] = COMMANDS) -> None:
        self._options = options
        self._commands = commands
        self._directory = RunDirectory(options.data)
        self._port = options.http.port
        self._metrics_ports: dict[str, int] = {}
        self.broker: Broker | None = None
        self.children: list[Supervised] = []
        self.metrics = MetricsPage(self._ports_now, self._broker_pid)

    async def run(self) -> None:
        """Start everything, say when it is ready, and watch over it; only failures end it.

        Raises:  PortTaken, DirectoryTaken, BrokerFailed, JarsUnavailable, JarsRefused,
                 BrokerEnded, ChildFailed.
        """
        started = time.monotonic()
        self._directory.take()
        for name in await self._directory.stop_leftovers():
            say(f"Stopped what an earlier run left behind: {name}")
        self._claim_port()
        metrics_port = await self._start_metrics()
        bootstrap = self._options.broker or await self._start_broker()
        async with asyncio.TaskGroup() as group:
            if self.broker is not None:
                group.create_task(self._watch_broker(self.broker))
            for child in self._make_children(bootstrap):
                group.create_task(child.keep_running())
            await self._until_ready(started)
            text = welcome(
                self.url,
                self._options.key,
                f"http://{self._shown_host}:{metrics_port}/metrics",
                self._directory.path / "logs",
                time.monotonic() - started,
            )
            say(text)

    async def stop(self) -> None:
        """End API, processing and broker, in this order, each within its time."""
        for child in self.children:
            if child.pid is not None:
                say(f"Stopping {child.name}")
            await child.stop()
        if self.broker is not None:
            if self.broker.pid is not None:
                say("Stopping the broker")
            await self.broker.stop()
        await self.metrics.stop()
        self._directory.release()

    def kill(self) -> None:
        """End all at once."""
        for child in self.children:
            child.kill()
        if self.broker is not None:
            self.broker.kill()

    @property
    def url(self) -> str:
        """Return where the API is, as one would type it."""
        return f"http://{self._shown_host}:{self._port}"

    @property
    def _shown_host(self) -> str:
        host = self._reached_host
        return f"[{host}]" if ":" in host else host

    @property
    def _reached_host(self) -> str:
        host = self._options.http.host
        return _EVERY_INTERFACE.get(host, host)

    def _claim_port(self) -> None:
        if self._port == 0:
            self._port = free_port()
        elif not is_free(self._port, self._options.http.host):
            raise PortTaken(
                f"Port {self._port} on {self._options.http.host} is taken: stop what listens"
                f" there, or choose another port with PORT={self._port + 1} or --port"
                f' {self._port + 1} (make run ARGS="--port {self._port + 1}")'
            )

    async def _start_metrics(self) -> int:
        host, wanted = self._options.http.host, self._options.http.prometheus_port
        try:
            return await self.metrics.start(host, wanted)
        except OSError:
            port = await self.metrics.start(host, 0)
            warn(f"PROMETHEUS_PORT {wanted} is taken; metrics are on port {port} this time")
            return port

    async def _start_broker(self) -> str:
        started = time.monotonic()
        say("Starting the embedded broker (Apache Kafka 4.4; KAFKA_BROKER would name one of yours)")
        self.broker = Broker(self._directory.path / "kafka", USUAL_PORT)
        await self.broker.start()
        seconds = time.monotonic() - started
        say(f"Broker ready on {self.broker.bootstrap} after {seconds:.1f} s")
        return self.broker.bootstrap

    async def _watch_broker(self, broker: Broker) -> None:
        how = await broker.wait()
        raise BrokerEnded(f"The broker ended by itself: {how}; {broker.report()}")

    def _make_children(self, bootstrap: str) -> list[Supervised]:
        if self._options.is_test_key:
            say(f"No key is configured: the API takes {self._options.key}, on loopback only")
        api_grace = self._options.http.drain_seconds + API_GRACE_SECONDS
        wanted = [("api", api_grace)]
        if self._options.has_processing:
            wanted.append(("processing", PROCESSING_GRACE_SECONDS))
        say(f"Starting {' and '.join(name for name, _ in wanted)}")
        self.children = [self._make_child(name, bootstrap, grace) for name, grace in wanted]
        return self.children

    def _make_child(self, name: str, bootstrap: str, grace_seconds: float) -> Supervised:
        def environ() -> dict[str, str]:
            self._metrics_ports[name] = free_port()
            private = str(self._metrics_ports[name])
            own = {
                "api": {"PROMETHEUS_PORT": private},
                "processing": {
                    "PROCESSING_PROMETHEUS_PORT": private,
                    "STATE_DIR": str(self._directory.path / "processing"),
                },
            }
            return {
                **os.environ,
                **self._options.environ,
                "HOST": self._options.http.host,
                "PORT": str(self._port),
                "KAFKA_BROKER": bootstrap,
                "DATA_DIR": str(self._directory.path),
                "PYTHONUNBUFFERED": "1",
                **own[name],
            }

        # -X takes any name: it only marks the command line as ours.
        command = [sys.executable, "-X", self._directory.mark.strip(), *self._commands[name]]
        return Supervised(name, command, environ, self._directory, grace_seconds)

    def _broker_pid(self) -> int | None:
        return self.broker.pid if self.broker is not None else None

    def _ports_now(self) -> dict[str, int]:
        return {
            child.name: self._metrics_ports[child.name]
            for child in self.children
            if child.name in self._metrics_ports
        }

    async def _until_ready(self, started: float) -> None:
        reason = ""
        deadline = started + READY_SECONDS
        with Ticking("waiting for /health/ready", lambda: reason):
            while reason := await self._unready():
                if time.monotonic() > deadline:
                    raise ChildFailed(
                        f"Not ready after {READY_SECONDS:.0f} s: {reason}; logs are in"
                        f" {self._directory.path / 'logs'}"
                    )
                await asyncio.sleep(POLL_SECONDS)
        for child in self.children:
            child.has_been_ready = True

    async def _unready(self) -> str:
        """Return why it cannot be used yet, empty when it can."""
        try:
            status, body = await get(self._reached_host, self._port, "/health/ready", 2.0)
            if status != 200:
                return _named(body)
            if self._options.has_processing:
                await get("127.0.0.1", self._metrics_ports["processing"], "/metrics", 2.0)
        except OSError as problem:
            return str(problem) if "answer" in str(problem) else "starting"
        return ""


def _named(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body))[:70]
    except ValueError:
        return "not ready"
