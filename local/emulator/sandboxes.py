"""All copies of one function: as many as there are calls at a time, up to a bound."""

import json
from collections.abc import Callable

from local.build.functions import Function
from local.emulator.faults import Fault, FaultPlan
from local.emulator.outcome import Failed, FailureKind, Outcome
from local.emulator.sandbox import Sandbox

THROTTLED = Failed(
    FailureKind.THROTTLED,
    json.dumps(
        {"Reason": "ConcurrentInvocationLimitExceeded", "message": "Rate exceeded"}
    ).encode(),
)


class Sandboxes:
    """Hands each invocation to a copy that is free, else to a new one."""

    def __init__(
        self, function: Function, make: Callable[[], Sandbox], most: int, faults: FaultPlan
    ) -> None:
        self.function = function
        self.cold_starts = 0
        self.ended = 0
        self.invocations = 0
        self._make = make
        self._most = most
        self._faults = faults
        self._free: list[Sandbox] = []
        self._busy: set[Sandbox] = set()
        self._is_closed = False

    async def invoke(self, event: bytes) -> Outcome:
        """Return how one invocation ended; the copy it went to is frozen again by then, or gone."""
        if self._faults.take(self.function.name, Fault.COLD):
            await self._discard_free()
        if self._is_closed or len(self._busy) >= self._most:
            return THROTTLED
        self.invocations += 1
        # The one that was used last, as Lambda prefers to: the others become idle and go.
        sandbox = self._free.pop() if self._free else None
        is_new = sandbox is None
        if sandbox is None:
            sandbox = self._make()
        self._busy.add(sandbox)
        is_whole = False
        try:
            failure = await self._started(sandbox) if is_new else None
            outcome = failure or await sandbox.invoke(event)
            is_whole = True
        finally:
            await self._put_back(sandbox, is_whole)
        return outcome

    async def close(self) -> None:
        """End all copies, also those at work."""
        self._is_closed = True
        for sandbox in list(self._busy):
            sandbox.kill()
        await self._discard_free()

    def kill(self) -> None:
        """End all at once."""
        for sandbox in (*self._busy, *self._free):
            sandbox.kill()

    def as_json(self) -> dict[str, object]:
        return {
            "invocations": self.invocations,
            "cold_starts": self.cold_starts,
            "ended": self.ended,
            "sandboxes": [
                {"pid": one.pid, "invocations": one.invocations, "freezes": one.freezes}
                for one in (*self._busy, *self._free)
            ],
        }

    async def _put_back(self, sandbox: Sandbox, is_whole: bool) -> None:
        self._busy.discard(sandbox)
        if is_whole and sandbox.pid is not None and not self._is_closed:
            self._free.append(sandbox)
        else:
            self.ended += 1
            await sandbox.close()

    async def _started(self, sandbox: Sandbox) -> Failed | None:
        self.cold_starts += 1
        return await sandbox.start()

    async def _discard_free(self) -> None:
        gone, self._free = self._free, []
        for sandbox in gone:
            self.ended += 1
            await sandbox.close()
