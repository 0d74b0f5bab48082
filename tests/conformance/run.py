"""Runs all cases on one loop in a thread of its own, several at a time."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx

from .case import Case
from .client.api import Api, Common
from .target import NotThere, Target

AT_ONCE = 8
CASE_SECONDS = 75.0
CLIENT_SECONDS = 40.0

Opened = Callable[[], AbstractAsyncContextManager[Target]]


@dataclass(frozen=True)
class Outcome:
    """What became of a case: ``missing`` is why it was skipped, ``failure`` what went wrong."""

    missing: str = ""
    failure: str = ""


class Run:
    """The outcomes of cases, each there as soon as its case is over."""

    def __init__(self, cases: Sequence[Case], opened: Opened) -> None:
        self._outcomes: dict[str, Future[Outcome]] = {str(case): Future() for case in cases}
        self._cases = cases
        self._opened = opened
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        # Linux ends the children of a thread with it: what is started lives as long as the run.
        self._thread = threading.Thread(target=self._main, name="conformance")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Cancel the cases that still run, and wait until all is closed."""
        if self._thread.is_alive() and not all(map(Future.done, self._outcomes.values())):
            self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join()
        self._loop.close()

    def outcome(self, case: Case) -> Outcome:
        """Return what became of a case, when it is over.

        Raises:  what broke the whole run off.
        """
        return self._outcomes[str(case)].result()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _main(self) -> None:
        self._task = self._loop.create_task(self._all())
        self._loop.run_until_complete(asyncio.wait([self._task]))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        reason = None if self._task.cancelled() else self._task.exception()
        for future in self._outcomes.values():
            if not future.done():
                future.set_exception(reason or RuntimeError("the run was ended early"))

    async def _all(self) -> None:
        async with self._opened() as target, _client() as http, AsyncExitStack() as stack:
            gate, common = asyncio.Semaphore(AT_ONCE), Common(stack)
            # Those that wait first: they are over when the others are.
            ordered = sorted(self._cases, key=lambda case: not case.mostly_waits)
            apis = [Api(target, http, common) for _ in ordered]
            await asyncio.gather(
                *(self._one(*each, gate) for each in zip(ordered, apis, strict=True))
            )

    async def _one(self, case: Case, api: Api, gate: asyncio.Semaphore) -> None:
        async with nullcontext() if case.mostly_waits else gate:
            self._outcomes[str(case)].set_result(await judge(case, api))


async def judge(case: Case, api: Api) -> Outcome:
    """Run one case; whatever it raises is its outcome."""
    task = asyncio.ensure_future(case.run(api))
    try:
        done, _ = await asyncio.wait([task], timeout=CASE_SECONDS)
    finally:
        task.cancel()
    if not done:
        await asyncio.wait([task])
        return Outcome(failure=_report(case, api, TimeoutError()))
    raised = task.exception()
    if isinstance(raised, NotThere):
        return Outcome(missing=str(raised))
    return Outcome(failure="" if raised is None else _report(case, api, raised))


def _report(case: Case, api: Api, raised: BaseException) -> str:
    quotation = f"in its words: {case.quotation}\n" if case.quotation else ""
    return (
        f"the contract says: {case.sentence}\n{quotation}"
        f"but: {api.target.hide(_reason(raised))}\n"
        f"at: {_place(raised)}\nlast on the wire:\n{api.transcript}"
    )


def _reason(raised: BaseException) -> str:
    if isinstance(raised, AssertionError):
        return str(raised) or "the assertion does not hold"
    if isinstance(raised, TimeoutError):
        return "what was expected did not come within the deadline"
    return f"{type(raised).__name__}: {raised}"


def _place(raised: BaseException) -> str:
    """Return the line of the case that did not hold."""
    frames = traceback.extract_tb(raised.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent.name == "cases"]
    if not frames:
        return "its deadline"
    frame = (own or list(frames))[-1]
    return f"cases/{Path(frame.filename).name}:{frame.lineno}: {frame.line}"


def _client() -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    return httpx.AsyncClient(timeout=CLIENT_SECONDS, limits=limits, trust_env=False)
