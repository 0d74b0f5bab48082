import os
import sys
from pathlib import Path

import pytest

from local.run_directory import DirectoryTaken, DirectoryUnusable, RunDirectory
from tests.local.processes import started

HOLDS = (
    "import pathlib, signal, sys; from local.run_directory import RunDirectory; "
    "held = RunDirectory(pathlib.Path(sys.argv[1])); held.take(); "
    "print('held', flush=True); signal.pause()"
)
WAITS = "import signal; print('up', flush=True); signal.pause()"


async def test_a_second_run_is_refused_until_the_first_is_gone_however_it_went(
    tmp_path: Path,
) -> None:
    async with started(sys.executable, "-c", HOLDS, str(tmp_path), cwd=tmp_path) as first:
        await first.prints("held")
        with pytest.raises(DirectoryTaken) as caught:
            RunDirectory(tmp_path).take()

        first.process.kill()
        await first.ended()
        second = RunDirectory(tmp_path)
        second.take()

    for told in (f"process {first.process.pid}", str(tmp_path), "DATA_DIR", "--data"):
        assert told in str(caught.value)
    second.release()


def test_commands_beside_a_run_find_its_broker_and_none_after_it(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.take()

    directory.note_broker("127.0.0.1:9093")
    told = (tmp_path / "broker").read_text(encoding="utf-8")
    directory.release()

    assert told == "127.0.0.1:9093\n"
    assert not (tmp_path / "broker").exists()


def test_a_released_directory_can_be_taken_again(tmp_path: Path) -> None:
    first, second = RunDirectory(tmp_path), RunDirectory(tmp_path)
    first.take()
    first.release()

    second.take()

    second.release()


def test_letting_go_of_what_was_never_held_forgets_nobodys_children(tmp_path: Path) -> None:
    holder, refused = RunDirectory(tmp_path), RunDirectory(tmp_path)
    holder.take()
    holder.record("api", 1)
    with pytest.raises(DirectoryTaken):
        refused.take()

    refused.release()

    assert (tmp_path / "run.json").is_file()
    holder.release()
    assert not (tmp_path / "run.json").exists()


def test_a_directory_that_cannot_be_written_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DirectoryUnusable, match=r"DATA_DIR \(.*file/data\).*--data"):
        RunDirectory(tmp_path / "file" / "data").take()


async def test_children_of_a_killed_run_are_ended_by_the_next(tmp_path: Path) -> None:
    killed, following = RunDirectory(tmp_path), RunDirectory(tmp_path)
    mark = killed.mark.strip()
    async with started(sys.executable, "-X", mark, "-c", WAITS, cwd=tmp_path) as child:
        await child.prints("up")
        killed.record("api", child.process.pid)

        assert await following.stop_leftovers() == ["api"]

        assert await child.ended() != 0


async def test_a_process_that_only_has_the_recorded_id_is_left_alone(tmp_path: Path) -> None:
    RunDirectory(tmp_path).record("api", os.getpid())

    assert await RunDirectory(tmp_path).stop_leftovers() == []


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"api": "many"}', "\x00"])
async def test_a_damaged_record_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text, encoding="utf-8")

    assert await RunDirectory(tmp_path).stop_leftovers() == []
