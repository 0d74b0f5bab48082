"""One copy of a function under the real runtime client, whatever its handler does."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from local.build.functions import Function
from local.emulator.faults import FaultPlan
from local.emulator.outcome import Answered, Failed, FailureKind
from local.emulator.reports import figures_of
from local.emulator.runtime_folder import make_runtime_folder
from local.emulator.sandbox import Sandbox
from local.emulator.sandboxes import THROTTLED, Sandboxes
from local.emulator.setting import Limits, variables
from tests.emulator.emulated import is_frozen

FUNCTION = Function("send")
HANDLER = """
import os, sys, time

calls = 0

def handler(event, context):
    global calls
    calls += 1
    what = event["what"]
    if what == "raise":
        raise ValueError("no good")
    if what == "exit":
        os._exit(3)
    if what == "sleep":
        time.sleep(event["seconds"])
    if what == "large":
        return "x" * (7 * 1024 * 1024)
    return {
        "calls": calls,
        "left": context.get_remaining_time_in_millis(),
        "name": context.function_name,
        "environ": dict(os.environ),
        "modules": [name for name in ("pytest", "litestar") if importable(name)],
    }

def importable(name):
    import importlib.util
    return importlib.util.find_spec(name) is not None
"""
Make = Callable[..., Sandbox]


@pytest_asyncio.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Give what makes a sandbox of a handler; all of them are gone at the end."""
    made: list[Sandbox] = []
    runtime = make_runtime_folder(tmp_path / "runtime")

    def of(code: str = HANDLER, limits: Limits | None = None) -> Sandbox:
        limits = limits or Limits()
        root = tmp_path / f"task{len(made)}"
        folder = root / "functions" / "send"
        folder.mkdir(parents=True)
        (folder / "handler.py").write_text(textwrap.dedent(code))
        environ = variables(FUNCTION, root, runtime, {"API_KEY": "k", "HOME": "/x"}, limits)
        log = tmp_path / "log"
        sandbox = Sandbox(FUNCTION, environ, root, log, limits, FaultPlan(), None, "test")
        made.append(sandbox)
        return sandbox

    yield of
    for sandbox in made:
        await sandbox.close()


def event(what: str = "answer", **more: object) -> bytes:
    return json.dumps({"what": what, **more}).encode()


async def test_it_answers_frozen_between_calls_with_what_lambda_gives_and_no_more(
    make: Make,
) -> None:
    sandbox = make()
    assert await sandbox.start() is None
    pid = sandbox.pid
    assert pid is not None

    outcomes = []
    for _ in range(2):
        outcomes.append(await sandbox.invoke(event()))
        assert is_frozen(pid)

    first, second = (json.loads(one.body) for one in outcomes if isinstance(one, Answered))
    assert (first["calls"], second["calls"]) == (1, 2)
    assert 20_000 < first["left"] <= 29_000
    assert first["name"] == first["environ"]["AWS_LAMBDA_FUNCTION_NAME"] == "millrace-send"
    assert first["environ"]["API_KEY"] == "k"
    assert "HOME" not in first["environ"]
    assert first["modules"] == []


async def test_what_a_handler_raises_is_told_and_the_sandbox_stays(make: Make) -> None:
    sandbox = make()
    await sandbox.start()

    raised = await sandbox.invoke(event("raise"))
    large = await sandbox.invoke(event("large"))
    after = await sandbox.invoke(event())

    assert isinstance(raised, Failed)
    assert json.loads(raised.body)["errorType"] == "ValueError"
    assert isinstance(large, Failed)
    assert json.loads(large.body)["errorType"] == "Function.ResponseSizeTooLarge"
    assert isinstance(after, Answered)
    assert json.loads(after.body)["calls"] == 3


async def test_a_handler_that_takes_too_long_is_killed(make: Make) -> None:
    sandbox = make(limits=Limits(timeout_seconds=0.5))
    await sandbox.start()

    outcome = await sandbox.invoke(event("sleep", seconds=30))

    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.TIMEOUT
    assert json.loads(outcome.body)["errorMessage"].endswith("Task timed out after 0.50 seconds")
    assert sandbox.pid is None


@pytest.mark.parametrize("ended", ["by itself", "while frozen"])
async def test_a_process_that_ends_is_told_as_such(ended: str, make: Make) -> None:
    sandbox = make()
    await sandbox.start()
    if ended == "while frozen":
        assert sandbox.pid is not None
        os.kill(sandbox.pid, signal.SIGKILL)

    outcome = await sandbox.invoke(event("exit"))

    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.EXIT
    how = "exit code 3" if ended == "by itself" else "signal: KILL"
    assert how in json.loads(outcome.body)["errorMessage"]
    assert sandbox.pid is None


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('not today')", "not today"),
        ("import nothing_of_the_kind", "nothing_of_the_kind"),
        ("import os; os._exit(1)", "did not come up"),
    ],
)
async def test_a_module_that_cannot_be_imported_fails_the_start(
    code: str, said: str, make: Make
) -> None:
    sandbox = make(code)

    failure = await sandbox.start()

    assert failure is not None
    assert failure.kind is FailureKind.INIT
    assert said in failure.body.decode()
    assert sandbox.pid is None


async def test_above_the_bound_a_call_is_refused_and_the_log_tells_of_the_others(
    make: Make, tmp_path: Path
) -> None:
    sandboxes = Sandboxes(FUNCTION, make, 1, FaultPlan())

    outcomes = await _together(sandboxes, 3)
    last = await sandboxes.invoke(event())
    state = sandboxes.as_json()
    await sandboxes.close()

    assert [one is THROTTLED for one in outcomes] == [False, True, True]
    assert isinstance(last, Answered)
    assert (state["invocations"], state["cold_starts"]) == (2, 1)
    figures = figures_of(tmp_path / "log")
    assert (len(figures.init), len(figures.warm)) == (1, 1)
    assert figures.peak_megabytes > 5
    assert await sandboxes.invoke(event()) is THROTTLED


async def _together(sandboxes: Sandboxes, count: int) -> list[object]:
    calls: list[Awaitable[object]] = [sandboxes.invoke(event()) for _ in range(count)]
    return list(await asyncio.gather(*calls))
