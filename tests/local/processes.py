"""Runs of ours in tests: started in an environment of their own, waited for with a deadline."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from local.children import command_line
from tests.eventually import eventually

ROOT = Path(__file__).parent.parent.parent
PATIENCE_SECONDS = 30.0
_KEPT = ("PATH", "HOME", "XDG_CACHE_HOME", "LANG")


def environ(**more: str) -> dict[str, str]:
    """Return an environment in which only what a test says is set."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def recorded_pids(data: Path) -> list[int]:
    """Return the process ids that a run has written down: children and broker."""
    pids: list[int] = []
    with contextlib.suppress(FileNotFoundError):
        pids += json.loads((data / "run.json").read_text(encoding="utf-8")).values()
    with contextlib.suppress(FileNotFoundError):
        broker = json.loads((data / "kafka" / "broker.json").read_text(encoding="utf-8"))
        pids.append(broker["pid"])
    return pids


def all_gone(pids: list[int]) -> bool:
    return not any(command_line(pid) for pid in pids)


class Run:
    """One process and all it has printed so far, errors among the rest."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.printed = ""
        self._reading = asyncio.create_task(self._read())

    async def prints(self, text: str) -> None:
        """Wait until ``text`` has been printed.

        Raises:  AssertionError, with all that was, if it ends or takes too long before.
        """
        with contextlib.suppress(TimeoutError):
            await eventually(lambda: text in self.printed or self._reading.done(), PATIENCE_SECONDS)
        assert text in self.printed, self.printed

    async def ended(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Return its exit code once it has ended."""
        async with asyncio.timeout(seconds):
            await self._reading
            return await self.process.wait()

    async def close(self) -> None:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading
        await self.process.wait()
        # The transport of a pipe that nobody has read to its end stays open otherwise.
        getattr(self.process, "_transport").close()  # noqa: B009

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while piece := await self.process.stdout.read(65536):
            self.printed += piece.decode(errors="replace")


@contextlib.asynccontextmanager
async def started(*program: str, cwd: Path, **variables: str) -> AsyncIterator[Run]:
    """Start a program, and kill it at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *program,
        cwd=cwd,
        env=environ(**variables),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    run = Run(process)
    try:
        yield run
    finally:
        await run.close()


def command(data: Path, *arguments: str) -> tuple[str, ...]:
    """Return what starts the product with stand-in children, on free ports."""
    flags = ("--port", "0", "--prometheus-port", "0", "--data", str(data))
    return (sys.executable, "-m", "tests.local.fake_product", *flags, *arguments)


@contextlib.asynccontextmanager
async def product(data: Path, *arguments: str, **variables: str) -> AsyncIterator[Run]:
    """Start the product with stand-in children; what it left running is ended as well."""
    data.mkdir(parents=True, exist_ok=True)
    async with started(*command(data, *arguments), cwd=data, **variables) as run:
        yield run
        pids = recorded_pids(data)
    await eventually(lambda: all_gone(pids), PATIENCE_SECONDS)
