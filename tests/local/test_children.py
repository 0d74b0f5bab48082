import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.children import LINE_CHARACTERS, command_line, exit_reason, stop, stop_leftover, tail
from tests.eventually import eventually
from tests.local.processes import all_gone, started

WAITS = "import signal, sys; print('up', flush=True); signal.pause()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"
POLITE = f"import signal; signal.signal(signal.SIGTERM, lambda *_: exit(7)); {WAITS}"
# A parent whose child says its process id, and who then waits to be killed.
PARENT = (
    "import subprocess, sys, signal; from local.children import die_with_parent; "
    f"child = subprocess.Popen([sys.executable, '-c', {WAITS!r}], preexec_fn=die_with_parent()); "
    "print('child', child.pid, flush=True); signal.pause()"
)


async def test_a_child_may_end_in_its_own_way_within_its_grace(tmp_path: Path) -> None:
    async with started(sys.executable, "-c", POLITE, cwd=tmp_path) as run:
        await run.prints("up")

        await stop(run.process, 10)

        assert run.process.returncode == 7


async def test_a_child_that_does_not_end_is_killed(tmp_path: Path) -> None:
    async with started(sys.executable, "-c", DEAF, cwd=tmp_path) as run:
        await run.prints("up")

        await stop(run.process, 0.05)

        assert run.process.returncode == -signal.SIGKILL


async def test_a_child_is_killed_also_when_the_wait_for_it_is_cancelled(tmp_path: Path) -> None:
    async with started(sys.executable, "-c", DEAF, cwd=tmp_path) as run:
        await run.prints("up")
        stopping = asyncio.create_task(stop(run.process, 60))
        await asyncio.sleep(0)

        stopping.cancel()
        await asyncio.wait([stopping])

        assert run.process.returncode == -signal.SIGKILL


async def test_a_child_dies_with_its_killed_parent(tmp_path: Path) -> None:
    async with started(sys.executable, "-c", PARENT, cwd=tmp_path) as parent:
        await parent.prints("up")
        await parent.prints("child")
        child = int(parent.printed.split("child ")[1].split()[0])

        parent.process.kill()

        await eventually(lambda: all_gone([child]))


FOLLOWS = f"import os; from local.children import follow_make; follow_make(os.environ); {WAITS}"


async def test_what_make_started_is_told_when_make_is_gone(tmp_path: Path) -> None:
    shell = f'MAKE_PID=$$ "{sys.executable}" -c "{FOLLOWS}" & echo pid $!; wait'
    async with started("sh", "-c", shell, cwd=tmp_path) as make:
        await make.prints("up")
        child = int(make.printed.split("pid ")[1].split()[0])

        make.process.kill()

        await eventually(lambda: all_gone([child]))


async def test_what_make_started_is_told_when_make_was_gone_before(tmp_path: Path) -> None:
    async with started(sys.executable, "-c", FOLLOWS, cwd=tmp_path, MAKE_PID="1") as orphan:
        assert await orphan.ended() == -signal.SIGTERM


async def test_without_make_nobody_is_followed(tmp_path: Path) -> None:
    async with started(sys.executable, "-c", FOLLOWS, cwd=tmp_path) as process:
        await process.prints("up")


async def test_what_an_earlier_run_left_is_ended_even_when_deaf(tmp_path: Path) -> None:
    async with started(sys.executable, "-c", DEAF, "mark=/here ", cwd=tmp_path) as left:
        await left.prints("up")

        assert await stop_leftover(left.process.pid, "mark=/here ", 0.05)

        assert await left.ended() == -signal.SIGKILL


async def test_a_process_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    async with started(sys.executable, "-c", WAITS, "mark=/elsewhere ", cwd=tmp_path) as other:
        await other.prints("up")

        assert not await stop_leftover(other.process.pid, "mark=/here ")

        assert other.process.returncode is None


def test_a_process_that_has_ended_has_no_command_line() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # A zombie: nobody has asked yet.

        assert command_line(ended.pid) == ""

    assert command_line(ended.pid) == ""
    assert "python" in command_line(os.getpid())


@pytest.mark.parametrize(
    ("code", "words"),
    [(3, "exit code 3"), (-9, "killed by SIGKILL"), (-250, "killed by signal 250")],
)
def test_how_a_process_ended_is_said_in_words(code: int, words: str) -> None:
    assert exit_reason(code) == words


def test_the_end_of_a_log_is_fit_to_print(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"first\n" * 10_000 + b"bad \xff byte\n\x1b[31mred\n" + b"x" * 1000)

    *_, before, last = tail(log, 3).splitlines()

    assert tail(log, 3).splitlines()[0] == "    bad \ufffd byte"
    assert before == "    \\x1b[31mred"
    assert last == "    " + "x" * LINE_CHARACTERS


def test_what_stood_in_a_log_before_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("yesterday\ntoday\n")

    assert tail(log, since=len("yesterday\n")) == "    today"
    assert tail(log, since=1000) == "    yesterday\n    today"  # Turned over since.


def test_a_log_that_is_not_there_ends_with_nothing(tmp_path: Path) -> None:
    assert tail(tmp_path / "none") == ""
