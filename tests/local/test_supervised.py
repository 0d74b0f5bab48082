import asyncio
import contextlib
import functools
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local import supervised
from local.run_directory import RunDirectory
from local.supervised import ChildFailed, Supervised
from tests.eventually import eventually
from tests.local.processes import all_gone, environ

WAITS = "import signal; signal.pause()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"
COUNTS = "import os, pathlib; f = pathlib.Path('starts').open('a'); f.write('x'); f.close(); "


@pytest.fixture(autouse=True)
def quick_restarts_in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(supervised, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.chdir(tmp_path)


def make_child(directory: Path, code: str, grace_seconds: float = 5.0) -> Supervised:
    run_directory = RunDirectory(directory)
    command = [sys.executable, "-c", code]
    return Supervised("api", command, environ, run_directory, grace_seconds)


def has_restarted(child: Supervised, times: int) -> bool:
    return child.restarts == times and child.pid is not None


@contextlib.asynccontextmanager
async def kept_running(child: Supervised) -> AsyncIterator[asyncio.Task[None]]:
    keeping = asyncio.create_task(child.keep_running())
    try:
        await eventually(lambda: child.pid is not None or keeping.done())
        yield keeping
    finally:
        await child.stop()
        await asyncio.wait([keeping])


async def test_a_child_that_was_killed_is_started_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    child = make_child(tmp_path, WAITS)
    async with kept_running(child):
        child.has_been_ready = True
        for restart in (1, 2, 3, 4, 5):
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)

            await eventually(functools.partial(has_restarted, child, restart))
    said = capsys.readouterr().err
    assert f"api ended: killed by SIGKILL; {child.log} says nothing of it" in said
    assert "api starts again in" in said


async def test_a_child_that_never_gets_ready_is_given_up_with_the_end_of_its_log(
    tmp_path: Path,
) -> None:
    child = make_child(tmp_path, COUNTS + "raise SystemExit('no such topic')")
    child.log.write_text("what an earlier run said\n")

    with pytest.raises(ChildFailed) as caught:
        await child.keep_running()

    assert "exit code 1" in str(caught.value)
    assert "no such topic" in str(caught.value)
    assert "earlier run" not in str(caught.value)
    assert str(child.log) in str(caught.value)
    assert len((tmp_path / "starts").read_text()) == supervised.FAILED_STARTS


async def test_a_child_that_refuses_its_settings_is_not_tried_again(tmp_path: Path) -> None:
    child = make_child(tmp_path, COUNTS + "raise SystemExit(2)")

    with pytest.raises(ChildFailed, match="exit code 2"):
        await child.keep_running()

    assert (tmp_path / "starts").read_text() == "x"


async def test_a_program_that_is_not_there_says_so(tmp_path: Path) -> None:
    child = Supervised("api", ["/no/such/program"], environ, RunDirectory(tmp_path), 1)

    with pytest.raises(ChildFailed, match=r"api cannot be started.*No such file"):
        await child.keep_running()


async def test_a_stopped_child_is_not_started_again(tmp_path: Path) -> None:
    child = make_child(tmp_path, WAITS)
    async with kept_running(child) as keeping:
        await child.stop()
        await asyncio.wait([keeping], timeout=10)

        assert keeping.done()
        assert child.pid is None
        assert child.restarts == 0


async def test_a_deaf_child_is_killed_after_its_grace(tmp_path: Path) -> None:
    child = make_child(tmp_path, DEAF, grace_seconds=0.1)
    async with kept_running(child):
        pid = child.pid
        assert pid is not None

        await child.stop()

        assert all_gone([pid])


async def test_each_start_asks_for_its_environment_anew(tmp_path: Path) -> None:
    asked: list[int] = []
    says = "import os; print(os.environ['PORT'], flush=True); raise SystemExit(1)"

    def numbered() -> dict[str, str]:
        asked.append(len(asked))
        return environ(PORT=f"port {len(asked)}")

    child = Supervised("api", [sys.executable, "-c", says], numbered, RunDirectory(tmp_path), 1)
    with pytest.raises(ChildFailed):
        await child.keep_running()

    assert child.log.read_text().splitlines() == ["port 1", "port 2", "port 3", "port 4"]


async def test_what_a_child_warns_of_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warns = 'print(\'{"level": "warning", "message": "broker gone"}\', flush=True); '
    child = make_child(tmp_path, warns + WAITS)
    shown = ""
    async with kept_running(child):
        async with asyncio.timeout(10):
            while "broker gone" not in shown:
                shown += capsys.readouterr().err
                await asyncio.sleep(0.02)

    assert "  api warning: broker gone" in shown
