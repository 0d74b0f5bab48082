import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from local import progress
from local.progress import Ticking, printable
from tests.local.processes import ROOT, environ, started

TICKS = (
    "import threading; from local import progress; "
    "progress.TICK_SECONDS = progress.LINE_SECONDS = 0.01; shown = threading.Event(); "
    "detail = lambda: (seen.append(1), shown.set() if len(seen) > 2 else None, 'half')[2]; "
    "seen = []; ticking = progress.Ticking('fetching', detail); "
    "ticking.__enter__(); shown.wait(10); ticking.__exit__(None, None, None); "
    "progress.say('done')"
)


async def test_in_a_pipe_each_tick_is_a_line_that_is_there_at_once(tmp_path: Path) -> None:
    async with started(sys.executable, "-c", TICKS, cwd=tmp_path) as run:
        await run.ended()

        *ticks, last = run.printed.splitlines()
        assert len(ticks) >= 2
        assert set(ticks) == {"  fetching: 0 s half"}
        assert last == "done"
        assert "\x1b" not in run.printed


def test_on_a_terminal_ticks_rewrite_one_line_and_leave_it_empty() -> None:
    terminal, end = pty.openpty()
    shown = b""
    with subprocess.Popen([sys.executable, "-c", TICKS], cwd=ROOT, env=environ(), stdout=end):
        os.close(end)
        while b"done" not in shown:
            shown += os.read(terminal, 4096)
    os.close(terminal)

    assert shown.count(b"\n") == 1  # After "done".
    assert shown.endswith(b"\r\x1b[2Kdone\r\n")
    assert b"\r\x1b[2K  fetching: 0 s half" in shown


def test_what_is_over_quickly_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Ticking("quick"):
        pass

    assert capsys.readouterr().out == ""


def test_a_long_detail_is_cut_so_that_it_stays_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "TICK_SECONDS", 0.0)
    monkeypatch.setattr(progress, "LINE_SECONDS", 60.0)
    ticking = Ticking("long", lambda: "x" * 1000)

    with ticking:
        while not (out := capsys.readouterr().out):
            pass

    assert len(out.splitlines()[0]) == progress.LINE_CHARACTERS


def test_when_nobody_reads_any_more_the_program_goes_on(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    goes_on = "import sys; from local.progress import say; say('a'); say('b'); sys.exit(7)"

    ended = subprocess.run(
        [sys.executable, "-c", goes_on], stdout=writing, cwd=ROOT, env=environ(), check=False
    )

    os.close(writing)
    assert ended.returncode == 7


def test_words_of_clients_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[2Jb\r\nc\u202e") == "a\\x1b[2Jb\\r\\nc\\u202e"
    assert printable("\tat line") == "    at line"
    assert printable("Grüße 日本 ok") == "Grüße 日本 ok"
