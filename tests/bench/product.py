"""The whole product, started as a user starts it and ended with everything it started."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.children import die_with_parent, exit_reason, tail
from local.http_get import get
from local.ports import LOOPBACK, free_port
from local.progress import Ticking, say
from local.run_directory import DirectoryTaken, RunDirectory
from tests.bench.options import FOLDER, Options

READY_SECONDS = 900.0  # The first start may fetch the broker's jars.
POLL_SECONDS = 0.1
STOP_SECONDS = 60.0
KILL_SECONDS = 10.0


class ProductFailed(Exception):
    """It did not start, or ended by itself; the text has the end of its log."""


@dataclass(slots=True)
class Product:
    """Where it is. ``process`` is None where it is not ours; ``pid`` None where it is not known."""

    host: str
    port: int
    key: str
    pid: int | None
    process: asyncio.subprocess.Process | None = None
    log: Path = Path(os.devnull)

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def ensure_running(self) -> None:
        """Raises:  ProductFailed if it has ended by itself."""
        if self.process is not None and self.process.returncode is not None:
            how = exit_reason(self.process.returncode)
            raise ProductFailed(f"The product ended: {how}\n{tail(self.log)}")

    def kill(self) -> None:
        """End it at once; what it started dies with it."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


@contextlib.asynccontextmanager
async def running(
    options: Options,
    started: Callable[[Product], None],
    folder: Path = FOLDER,
    beside: str = "",
) -> AsyncIterator[Product]:
    """Give the product that was named, or one of our own that is stopped in the end.

    ``beside`` is the command of a program to start in place of ours.

    ``started`` is told of our own before it is ready; its data is in a new folder in ``folder``,
    and goes with it; its log stays.

    Raises:  ProductFailed.
    """
    if options.is_given:
        yield Product(options.host, options.port, options.key, options.pid)
        return
    folder.mkdir(parents=True, exist_ok=True)
    await _remove_leftovers(folder)
    with tempfile.TemporaryDirectory(
        prefix="run-", dir=folder, ignore_cleanup_errors=True
    ) as directory:
        place = Path(directory).absolute()
        log = folder / ("beside.log" if beside else "product.log")
        product = await _start(options, place, log, beside)
        started(product)
        try:
            with Ticking("Starting the product", lambda: _last_line(product.log)):
                await _until_ready(product, _is_listening if beside else _is_ready)
            yield product
        finally:
            with Ticking("Stopping the product"):
                await _stop(product)
            _keep_logs(Path(directory), folder / "logs")


async def _start(options: Options, directory: Path, log_path: Path, beside: str) -> Product:
    port, metrics_port = free_port(), free_port()
    product = Product(LOOPBACK, port, options.key, None, log=log_path)
    module = "tests.bench.beside" if beside else "local"
    command = [sys.executable, "-m", module, "--port", str(port), "--data", str(directory)]
    if beside:
        command.append(beside)
    else:
        command += ["--prometheus-port", str(metrics_port), *options.product]
    with product.log.open("wb") as log:
        product.process = await asyncio.create_subprocess_exec(
            *command,
            env=_environ(options.key, options.product),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for us, who know when the readers are gone.
            preexec_fn=die_with_parent(),
        )
    product.pid = product.process.pid
    return product


def _environ(key: str, arguments: Sequence[str]) -> dict[str, str]:
    """Return the environment of a run; on a broker of somebody's own its topics are new ones."""
    environ = {**os.environ, "API_KEY": key, "PYTHONUNBUFFERED": "1"}
    # What it can do is asked, not what it lets a client do.
    environ |= {"RATE_LIMIT_PER_SECOND": "0", "RATE_LIMIT_READERS": "0"}
    environ.pop("MAKE_PID", None)  # Make is our parent; the product's is this process.
    if environ.get("KAFKA_BROKER") or any(each.startswith("--broker") for each in arguments):
        environ["KAFKA_TOPIC_PREFIX"] = f"bench-{os.urandom(4).hex()}."
    return environ


async def _is_ready(product: Product) -> bool:
    status, _ = await get(product.host, product.port, "/health/ready", 2.0)
    return status == 200


async def _is_listening(product: Product) -> bool:
    """Say whether a program that knows none of our routes for health takes connections."""
    _, writer = await asyncio.open_connection(product.host, product.port)
    writer.close()
    return True


async def _until_ready(product: Product, is_ready: Callable[[Product], Awaitable[bool]]) -> None:
    async def has_answered() -> bool:
        try:
            return await is_ready(product)
        except OSError:
            return False

    try:
        async with asyncio.timeout(READY_SECONDS):
            while not await has_answered():
                product.ensure_running()
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise ProductFailed(
            f"The product was not ready after {READY_SECONDS:.0f} s\n{tail(product.log)}"
        ) from None


async def _stop(product: Product) -> None:
    process = product.process
    if process is None or process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        say(f"The product did not stop within {STOP_SECONDS:.0f} s; killing it")
    finally:
        product.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILL_SECONDS):
                await process.wait()


def _keep_logs(directory: Path, kept: Path) -> None:
    """Keep the logs of the newest run: its data goes."""
    shutil.rmtree(kept, ignore_errors=True)
    with contextlib.suppress(OSError):
        shutil.copytree(directory / "logs", kept)


async def _remove_leftovers(folder: Path) -> None:
    """Remove the data of measurements that were killed, if nobody is using it."""
    for left in folder.glob("run-*"):
        directory = RunDirectory(left)
        try:
            directory.take()
        except DirectoryTaken:
            continue
        await directory.stop_leftovers()
        directory.release()
        shutil.rmtree(left, ignore_errors=True)


def _last_line(log: Path) -> str:
    lines = tail(log, 1).split()
    return " ".join(lines)
