"""Processes of ours: they die with their parent, are known by their command line, stop in time."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from local.progress import printable

POLL_SECONDS = 0.02
KILL_SECONDS = 5.0  # After SIGKILL the kernel needs only moments; more means a hung disk.
TAIL_BYTES = 16_384
LINE_CHARACTERS = 300
ON_LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG = 1


def die_with_parent(death: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """Return what a child runs before its program so that the kernel ends it with its parent.

    A killed supervisor cannot stop anything, and a broker left behind would hold its port and data.
    Only Linux has this; elsewhere the next start stops what was left.

    Source:  prctl(2), PR_SET_PDEATHSIG.
    """
    if not ON_LINUX:
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, death)
        if os.getppid() != parent:  # It died before prctl was called, so no signal will come.
            os._exit(1)

    return before_exec


def follow_make(environ: Mapping[str, str]) -> None:
    """Have this very process told to stop when the make that started it is gone.

    The Makefile passes make's process id, so that one killed before we got here is noticed too.
    """
    make = environ.get("MAKE_PID", "")
    if ON_LINUX and make:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(make):
            os.kill(os.getpid(), signal.SIGTERM)


def command_line(pid: int) -> str:
    """Return the command line of a running process, empty if there is none."""
    if ON_LINUX:
        try:
            status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            if status.rpartition(")")[2].split()[0] == "Z":
                return ""
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return ""
        return raw.replace(b"\0", b" ").decode(errors="replace")
    listed = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.strip()


async def stop_leftover(pid: int, mark: str, grace_seconds: float = 10.0) -> bool:
    """End a process of an earlier run, if the one with this id still is that process.

    ``mark`` must stand in its command line: process ids are used again, and a foreign process is
    never touched. Returns whether there was something to end.
    """
    if mark not in command_line(pid):
        return False
    for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, KILL_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if mark not in command_line(pid):
                return True
            await asyncio.sleep(POLL_SECONDS)
    return True


async def stop(process: asyncio.subprocess.Process, grace_seconds: float) -> None:
    """Ask a child of ours to end, wait so long, then kill it; also when the wait is cancelled."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(grace_seconds):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(KILL_SECONDS):
                    await process.wait()


def exit_reason(returncode: int) -> str:
    """Say in words how a process ended."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"


def tail(path: Path, lines: int = 15, since: int = 0) -> str:
    """Return the last lines of a log, indented, fit to print; empty if there is no such file.

    ``since`` is a size it had: what stood there before is left out.
    """
    try:
        with path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(since if since <= size else 0, size - TAIL_BYTES))
            last = log.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return ""
    return "\n".join(f"    {printable(line[:LINE_CHARACTERS])}" for line in last)
