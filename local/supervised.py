"""A child that is started again when it ends."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from local.child_log import ChildLog
from local.children import die_with_parent, exit_reason, stop, tail
from local.progress import warn
from local.run_directory import RunDirectory

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
STEADY_SECONDS = 10.0  # A child that ran this long starts again without a pause worth the name.
FAILED_STARTS = 4
FOLLOW_SECONDS = 0.25
CONFIGURATION_EXIT = 2  # A child refuses its settings so; trying again cannot help.


class ChildFailed(Exception):
    """A child cannot be kept running; the text has the reason and the end of its log."""


class Supervised:
    """One child process and its restarts.

    ``environ`` is asked before each start, so a restart may get other ports.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        environ: Callable[[], Mapping[str, str]],
        directory: RunDirectory,
        grace_seconds: float,
    ) -> None:
        self.name = name
        self.restarts = 0
        self.has_been_ready = False
        self._command = command
        self._environ = environ
        self._directory = directory
        self._grace_seconds = grace_seconds
        self._log = ChildLog(name, directory.path / "logs" / f"{name}.log")
        self._process: asyncio.subprocess.Process | None = None
        self._is_stopping = False
        self._log_began = 0

    def __repr__(self) -> str:
        return f"Supervised({self.name!r}, pid={self.pid}, restarts={self.restarts})"

    @property
    def pid(self) -> int | None:
        """Return the process id while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    @property
    def log(self) -> Path:
        """Return the file it writes to."""
        return self._log.path

    async def keep_running(self) -> None:
        """Start it, and again whenever it ends, until ``stop``.

        Raises:  ChildFailed if it refuses its settings or fails again and again before it was ever
                 ready, or cannot be started at all.
        """
        pause, failures = FIRST_PAUSE_SECONDS, 0
        while not self._was_told_to_stop():
            started = time.monotonic()
            code = await self._run_once()
            if self._was_told_to_stop():
                return
            if time.monotonic() - started >= STEADY_SECONDS:
                pause, failures = FIRST_PAUSE_SECONDS, 0
            failures += 1
            hopeless = failures >= FAILED_STARTS or code == CONFIGURATION_EXIT
            said = f"{self.name} ended: {exit_reason(code)}; {self._last_words()}"
            if hopeless and not self.has_been_ready:
                raise ChildFailed(said)
            warn(f"{said}\n{self.name} starts again in {pause:.1f} s")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            self.restarts += 1

    async def stop(self) -> None:
        """End it for good: SIGTERM, its grace, SIGKILL."""
        self._is_stopping = True
        if self._process is not None:
            await stop(self._process, self._grace_seconds)

    def kill(self) -> None:
        """End it for good and at once."""
        self._is_stopping = True
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _was_told_to_stop(self) -> bool:
        return self._is_stopping

    async def _run_once(self) -> int:
        self._process = await self._spawn()
        self._directory.record(self.name, self._process.pid)
        following = asyncio.create_task(self._follow())
        try:
            return await self._process.wait()
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            self._show()

    def _last_words(self) -> str:
        words = tail(self.log, 8, self._log_began)
        return f"{self.log} ends with:\n{words}" if words else f"{self.log} says nothing of it"

    async def _spawn(self) -> asyncio.subprocess.Process:
        try:
            with self.log.open("ab") as log:
                self._log_began = log.tell()
                return await asyncio.create_subprocess_exec(
                    *self._command,
                    env=dict(self._environ()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for the supervisor, which knows the order.
                    # It survives being killed by design: a farewell unwatched would gain nothing.
                    preexec_fn=die_with_parent(signal.SIGKILL),
                )
        except OSError as problem:
            raise ChildFailed(f"{self.name} cannot be started: {problem}") from problem

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            self._show()

    def _show(self) -> None:
        for line in self._log.news():
            warn(f"  {line}")
