"""One copy of a function: a process under the real runtime client, frozen while it has no work."""

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import sys
import time
import uuid
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from local.build.functions import Function
from local.children import KILL_SECONDS, die_with_parent, exit_reason
from local.emulator.faults import Fault, FaultPlan
from local.emulator.kafka_door import KafkaDoor
from local.emulator.outcome import Failed, FailureKind, Outcome
from local.emulator.runtime_api import Invocation, RuntimeApi
from local.emulator.setting import Limits, arn_of

INIT_SECONDS = 30.0  # 10 on Lambda, whose machines are not shared with a broker and a test run.
IDLE_SECONDS = 2.0  # From the answer to the next question.
MIDDLE_SECONDS = 0.03  # A call takes some milliseconds: within this it is killed anywhere in it.
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


class Sandbox:
    """Starts, invokes, freezes and ends one process. Its log has what CloudWatch would have."""

    def __init__(
        self,
        function: Function,
        environ: Mapping[str, str],
        task_root: Path,
        log: Path,
        limits: Limits,
        faults: FaultPlan,
        door: KafkaDoor | None,
        mark: str,
    ) -> None:
        self.invocations = 0
        self.freezes = 0
        self.init_seconds = 0.0
        self._function = function
        self._environ = environ
        self._task_root = task_root
        self._log = log
        self._limits = limits
        self._faults = faults
        self._door = door
        self._mark = mark
        self._api = RuntimeApi()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> Failed | None:
        """Start it and wait until it asks for work; else return why it does not, and it is gone."""
        begun = time.monotonic()
        await self._api.open()
        if self._door is not None:
            await self._door.open()
        self._process = await self._spawn()
        ended = await _first_of(self._api.idle(), self._process.wait(), INIT_SECONDS)
        self.init_seconds = time.monotonic() - begun
        if ended == "left" and self._api.init_failure is None:
            return None
        failure = self._init_failure()
        await self.close()
        return failure

    async def invoke(self, event: bytes) -> Outcome:
        """Thaw it, have it answer one event, and freeze it again; it is gone if it had to be ended.

        Shape:   an invocation that failed by itself leaves the sandbox in use, as Lambda does.
        """
        self._signal(signal.SIGCONT)
        invocation = Invocation(str(uuid.uuid4()), arn_of(self._function), self._deadline(), event)
        self._log_event("platform.start", requestId=invocation.request_id, version="$LATEST")
        begun = time.monotonic()
        outcome = await self._outcome_of(invocation)
        seconds = time.monotonic() - begun
        self._report(invocation.request_id, seconds, outcome)
        self.invocations += 1
        if self.pid is not None:
            await self._freeze()
        return outcome

    async def close(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(KILL_SECONDS):
                    await self._process.wait()
        await self._api.close()
        if self._door is not None:
            await self._door.close()

    def kill(self) -> None:
        """End it and wait for nothing."""
        self._signal(signal.SIGKILL)

    def _deadline(self) -> float:
        return time.time() + self._limits.timeout_seconds

    async def _outcome_of(self, invocation: Invocation) -> Outcome:
        assert self._process is not None
        running = self._api.hand_out(invocation)
        if self._faults.take(self._function.name, Fault.MEMORY):
            await asyncio.wait({running}, timeout=random.uniform(0, MIDDLE_SECONDS))
            self.kill()
            return await self._exited(invocation)
        ended = await _first_of(running, self._process.wait(), self._limits.timeout_seconds)
        if self._faults.take(self._function.name, Fault.TIMEOUT) or ended == "late":
            await self.close()
            return self._timed_out(invocation)
        return running.result() if running.done() else await self._exited(invocation)

    async def _exited(self, invocation: Invocation) -> Failed:
        assert self._process is not None
        how = exit_reason(await self._process.wait()).replace("killed by SIG", "signal: ")
        await self.close()
        said = f"RequestId: {invocation.request_id} Error: Runtime exited with error: {how}"
        return _failed(FailureKind.EXIT, said)

    def _timed_out(self, invocation: Invocation) -> Failed:
        seconds = self._limits.timeout_seconds
        said = f"{invocation.request_id} Task timed out after {seconds:.2f} seconds"
        return _failed(FailureKind.TIMEOUT, said)

    def _init_failure(self) -> Failed:
        if self._api.init_failure is not None:
            return Failed(FailureKind.INIT, self._api.init_failure)
        said = f"{self._function.name} did not come up; {self._log} says why"
        return _failed(FailureKind.INIT, said)

    async def _freeze(self) -> None:
        """Have it stand still once it asks for work; what it holds open may die meanwhile."""
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self._api.idle()
        except TimeoutError:
            pass  # It still writes its log, or is gone; Lambda would freeze it all the same.
        self._signal(signal.SIGSTOP)
        self._stopped()
        self.freezes += 1
        if self._door is not None:
            if self._faults.take(self._function.name, Fault.CUT):
                self._door.cut()
            if self._faults.take(self._function.name, Fault.HOLE):
                self._door.swallow()

    def _stopped(self) -> None:
        """Wait, for microseconds, until it does stand still or is gone; nothing is reaped here."""
        if self.pid is not None and hasattr(os, "waitid"):
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    async def _spawn(self) -> asyncio.subprocess.Process:
        own = {"AWS_LAMBDA_RUNTIME_API": self._api.address}
        if self._door is not None:
            own["KAFKA_BROKER"] = self._door.bootstrap
        with self._log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                # -S: no packages but those that PYTHONPATH names. -X only marks the process.
                *(sys.executable, "-S", "-s", "-B", "-X", self._mark),
                *("-m", "awslambdaric", self._function.handler),
                cwd=self._task_root,
                env={**self._environ, **own},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the supervisor, which knows the order.
                preexec_fn=die_with_parent(signal.SIGKILL),
            )

    def _report(self, request_id: str, seconds: float, outcome: Outcome) -> None:
        metrics: dict[str, float] = {
            "durationMs": round(seconds * 1000, 3),
            "memorySizeMB": self._limits.memory_megabytes,
            "maxMemoryUsedMB": self._peak_megabytes(),
        }
        if not self.invocations:
            metrics["initDurationMs"] = round(self.init_seconds * 1000, 3)
        status = outcome.kind if isinstance(outcome, Failed) else "success"
        self._log_event("platform.report", requestId=request_id, metrics=metrics, status=status)

    def _peak_megabytes(self) -> int:
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        except OSError:
            return 0
        found = _PEAK.search(status)
        return int(found[1]) // 1024 if found is not None else 0

    def _log_event(self, kind: str, **record: object) -> None:
        """Write what Lambda itself logs, in the form it has where the log's format is JSON."""
        time_ = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._log.open("a", encoding="utf-8") as log:
            log.write(json.dumps({"time": time_, "type": kind, "record": record}) + "\n")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                # Not by subprocess, which would take the end of one that has just died, and whoever
                # waits for it would never hear how it ended.
                os.kill(self._process.pid, number)


def _failed(kind: FailureKind, message: str) -> Failed:
    told = {"errorMessage": message, "errorType": kind.value}
    return Failed(kind, json.dumps(told).encode())


async def _first_of(
    left: Awaitable[object], right: Awaitable[object], seconds: float
) -> Literal["left", "right", "late"]:
    """Wait for one of two, and say which it was; a future that is given stays as it is."""
    waiting = [asyncio.ensure_future(left), asyncio.ensure_future(right)]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return "left" if waiting[0].done() else "right" if waiting[1].done() else "late"
    finally:
        for one in waiting:
            if one is not left:
                one.cancel()
