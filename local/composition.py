"""The whole product on one machine: broker, then processing and API; stopped in reverse."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping

from local.broker import USUAL_PORT, Broker
from local.cluster import Cluster
from local.http_get import NoAnswer, get
from local.metrics import MetricsPage
from local.options import Options
from local.ports import LOOPBACK, free_port, is_taken, obstacle
from local.progress import Ticking, printable, say, warn
from local.run_directory import RunDirectory
from local.run_seal import run_seal
from local.supervised import ChildFailed, Supervised
from local.welcome import welcome

READY_SECONDS = 120.0
POLL_SECONDS = 0.05
PROCESSING_GRACE_SECONDS = 10.0
API_GRACE_SECONDS = 5.0  # On top of its draining.
NO_PARTITIONS = b"\nmillrace_processing_partitions 0"
COMMANDS = {
    "api": ["-m", "streaming_runtime.live"],
    "processing": ["-m", "streaming_runtime.processing"],
}
_EVERY_INTERFACE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class PortTaken(Exception):
    """PORT on HOST cannot be listened on; the text says why and what to do."""


class BrokerEnded(Exception):
    """The embedded broker is gone, and nothing can go on without it."""


class Product:
    """Everything one run started."""

    def __init__(self, options: Options, commands: Mapping[str, list[str]] = COMMANDS) -> None:
        self._options = options
        self._commands = commands
        self._directory = RunDirectory(options.data)
        self._port = options.http.port
        self._seal = ""
        self._addresses: dict[str, tuple[str, int]] = {}
        self.broker: Broker | Cluster | None = None
        self.children: list[Supervised] = []
        self.metrics = MetricsPage(lambda: self._addresses, self._broker_pids)

    async def run(self) -> None:
        """Start everything, say when it is ready, and watch over it; only failures end it.

        Raises:  PortTaken, DirectoryTaken, DirectoryUnusable, BrokerFailed, JarsUnavailable,
                 JarsRefused, BrokerEnded, ChildFailed.
        """
        started = time.monotonic()
        self._directory.take()
        self._seal = run_seal(self._directory.path)
        for name in await self._directory.stop_leftovers():
            say(f"Stopped what an earlier run left behind: {name}")
        self._claim_port()
        metrics_port = await self._start_metrics()
        bootstrap = self._options.broker or await self._start_broker()
        self._directory.note_broker(bootstrap)
        async with asyncio.TaskGroup() as group:
            if self.broker is not None:
                group.create_task(self._watch_broker(self.broker))
            for child in self._make_children(bootstrap):
                group.create_task(child.keep_running())
            await self._until_ready()
            text = welcome(
                self.url,
                self._options.key,
                f"http://{self._shown_host}:{metrics_port}/metrics",
                self._directory.path / "logs",
                time.monotonic() - started,
            )
            say(text)
            if self.broker is not None:
                group.create_task(self.broker.prepare_next_start())

    async def stop(self) -> None:
        """End API, processing and broker, in this order, each within its time."""
        for child in self.children:
            if child.pid is not None:
                say(f"Stopping {child.name}")
            await child.stop()
        if self.broker is not None:
            if self.broker.pids:
                say(f"Stopping {_named_brokers(len(self.broker.pids))}")
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
            return
        problem = obstacle(self._port, self._options.http.host)
        if problem is None:
            return
        where = f"Port {self._port} on {self._options.http.host}"
        if not is_taken(problem):
            raise PortTaken(f"{where} (PORT, HOST) cannot be used: {problem.strerror}")
        other = free_port(self._port + 1)
        raise PortTaken(
            f"{where} is taken: stop what listens there, or choose another, as in"
            f"\n  make run PORT={other}\n  python -m local --port {other}"
        )

    async def _start_metrics(self) -> int:
        host, wanted = self._options.http.host, self._options.http.prometheus_port
        try:
            return await self.metrics.start(host, wanted)
        except OSError as problem:
            port = await self.metrics.start(host, 0)
            why = "is taken" if is_taken(problem) else f"cannot be used, {problem.strerror}"
            warn(f"PROMETHEUS_PORT {wanted} {why}; metrics are on port {port} this time")
            return port

    async def _start_broker(self) -> str:
        started = time.monotonic()
        what = "broker" if self._options.brokers == 1 else f"{self._options.brokers} brokers"
        say(
            f"Starting the embedded {what} (Apache Kafka 4.4; KAFKA_BROKER would name one of yours)"
        )
        self.broker = self._make_broker()
        await self.broker.start()
        seconds = time.monotonic() - started
        say(f"{what.capitalize()} ready on {self.broker.bootstrap} after {seconds:.1f} s")
        return self.broker.bootstrap

    def _make_broker(self) -> Broker | Cluster:
        # Each has a folder of its own: what one broker holds is no member's data.
        if self._options.brokers == 1:
            return Broker(self._directory.path / "kafka", USUAL_PORT)
        return Cluster(self._directory.path / f"kafka-{self._options.brokers}", USUAL_PORT)

    async def _watch_broker(self, broker: Broker | Cluster) -> None:
        how = await broker.wait()
        raise BrokerEnded(
            f"The broker ended by itself: {how}; {broker.report()}\nWhat was acknowledged is kept"
            f" in {self._directory.path}: start again, and readers go on at their cursors"
        )

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
        shared = {
            "KAFKA_BROKER": bootstrap,
            "DATA_DIR": str(self._directory.path),
            "RUN_SEAL": self._seal,
            "PYTHONUNBUFFERED": "1",
        }

        def environ() -> dict[str, str]:
            return {**self._options.environ, **shared, **self._own(name)}

        # -X takes any name: it only marks the command line as ours.
        command = [sys.executable, "-X", self._directory.mark.strip(), *self._commands[name]]
        return Supervised(name, command, environ, self._directory, grace_seconds)

    def _own(self, name: str) -> dict[str, str]:
        """Return what only this child gets, at each start with another port for its metrics."""
        port = free_port()
        if name == "api":
            self._addresses[name] = (self._reached_host, port)
            own = {"HOST": self._options.http.host, "PORT": str(self._port)}
            return {**own, "PROMETHEUS_PORT": str(port)}
        # Its metrics are all it serves, and nobody but our page asks for them.
        self._addresses[name] = (LOOPBACK, port)
        state = self._options.environ.get("STATE_DIR") or str(self._directory.path / name)
        return {"HOST": LOOPBACK, "PROCESSING_PROMETHEUS_PORT": str(port), "STATE_DIR": state}

    def _broker_pids(self) -> dict[str, int]:
        return self.broker.pids if self.broker is not None else {}

    async def _until_ready(self) -> None:
        reason = ""
        deadline = time.monotonic() + READY_SECONDS
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
                _, page = await get(*self._addresses["processing"], "/metrics", 2.0)
                # On a broker of ours nobody else could have them, so they are about to come.
                if self.broker is not None and NO_PARTITIONS in page:
                    return "processing has no partitions yet"
        except NoAnswer as problem:
            return str(problem)
        except OSError:
            return "starting"
        return ""


def _named_brokers(number: int) -> str:
    return "the broker" if number == 1 else f"{number} brokers"


def _named(body: bytes) -> str:
    """Return the parts that are not ready, each with its reason."""
    try:
        parts = json.loads(body)["parts"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        return "not ready"
    reasons = (f"{name}: {state}" for name, state in parts if state != "ok")
    return printable(", ".join(reasons)) or "not ready"
