import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local import environment
from local.environment import Environment, Unprepared, main
from tests.eventually import eventually
from tests.local.processes import environ, started

NOTHING = "# No package: the environment itself is what is tested.\n"
MISSING = "no-such-package-anywhere==1.0 --hash=sha256:" + "0" * 64 + "\n"
# .ci/run makes one from nothing; these hold each way in which one can go bad.
pytestmark = pytest.mark.soak


def with_requirements(root: Path, text: str = NOTHING) -> Path:
    (root / "requirements").mkdir(parents=True)
    for name in environment.SETS:
        (root / "requirements" / f"{name}.txt").write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a checkout, in a path with spaces, whose environment holds the set ``test``."""
    root = with_requirements(tmp_path_factory.mktemp("made") / "a check out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        Environment(root).prepare("test")
    return root


@pytest.fixture
def checkout(made: Path, tmp_path: Path) -> Path:
    """Give a copy of it at another place, as if it had been moved."""
    return Path(shutil.copytree(made, tmp_path / "moved here", symlinks=True))


def test_a_made_environment_works_where_it_was_moved_to(checkout: Path) -> None:
    assert Environment(checkout).holds("test")
    python = Environment(checkout).python
    pip = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=True)
    assert str(checkout) in pip.stdout.decode()


def test_a_set_that_is_held_is_not_made_again(checkout: Path) -> None:
    python = Environment(checkout).python
    python.unlink()  # A link to the Python it was made with.
    python.symlink_to("/bin/false")  # Whatever would be run fails.

    Environment(checkout).prepare("test")
    Environment(checkout).prepare("run")

    assert Environment(checkout).holds("test")


def test_a_set_holds_the_smaller_ones_and_not_the_larger(checkout: Path) -> None:
    held = [name for name in environment.SETS if Environment(checkout).holds(name)]

    assert held == ["run", "test"]


@pytest.mark.parametrize("change", ["lock file", "python", "stamp", "unfinished", "link"])
def test_what_has_changed_since_is_made_anew(checkout: Path, change: str) -> None:
    version = sys.version
    if change == "lock file":
        (checkout / "requirements" / "run.txt").write_text("# changed\n")
        (checkout / "requirements" / "test.txt").write_text("# changed\n")
    elif change == "python":
        version = "3.99"
    elif change == "stamp":
        (checkout / ".venv" / "installed.json").write_text("{")
    elif change == "unfinished":
        (checkout / ".venv.unfinished").touch()
    else:  # The Python it was made with has been removed.
        for link in (checkout / ".venv" / "bin").glob("python*"):
            link.unlink()
            link.symlink_to("/no/such/python")

    assert not Environment(checkout, version).holds("run")


def test_packages_that_cannot_be_had_are_explained_with_what_pip_said(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (checkout / "requirements" / "bench.txt").write_text(MISSING)

    with pytest.raises(Unprepared) as caught:
        Environment(checkout).prepare("bench")

    assert "offline" in str(caught.value)
    assert "no-such-package-anywhere" in str(caught.value)
    assert not Environment(checkout).holds("run")  # So the next start begins anew.


def test_settings_of_pip_that_lead_elsewhere_are_passed_over(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"NO_INDEX": "1", "USER": "1", "TARGET": "/t", "PREFIX": "/p"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)

    Environment(checkout).prepare("bench")

    assert Environment(checkout).holds("bench")


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    root = with_requirements(tmp_path)
    (root / ".local").touch()  # A file: no folder can be made there, not even by root.

    with pytest.raises(Unprepared, match=r"cannot be made in .*\.local"):
        Environment(root).prepare("run")


PREPARES = (
    "import pathlib, sys; from local.environment import Environment; "
    "Environment(pathlib.Path(sys.argv[1])).prepare('run')"
)


async def test_killed_while_making_it_the_next_start_makes_it_anew(tmp_path: Path) -> None:
    root = with_requirements(tmp_path / "root")
    prepares = (sys.executable, "-c", PREPARES, str(root))
    async with started(*prepares, cwd=tmp_path, PIP_NO_INDEX="1") as killed:
        await eventually((root / ".venv" / "pyvenv.cfg").exists)
        killed.process.kill()
        await killed.ended()
    unfinished = Environment(root).holds("run")

    async with started(*prepares, cwd=tmp_path, PIP_NO_INDEX="1") as following:
        code = await following.ended()

    assert not unfinished
    assert code == 0, following.printed
    assert Environment(root).holds("run")
    assert not (root / ".venv.unfinished").exists()


async def test_a_second_start_waits_for_the_first_and_says_so(checkout: Path) -> None:
    unfinished = checkout / ".venv.unfinished"
    unfinished.touch()
    with (checkout / ".local" / "environment.lock").open("a") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        command = (sys.executable, "-c", PREPARES, str(checkout))
        async with started(*command, cwd=checkout) as second:
            await second.prints("another make is installing, waiting for it")
            unfinished.unlink()
            fcntl.flock(first, fcntl.LOCK_UN)

            assert await second.ended() == 0

    assert "Making" not in second.printed
    assert "Installing" not in second.printed


def test_a_python_that_is_too_old_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))

    assert main(["run"]) == 2
    assert "Python 3.11 or newer is needed" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["everything"], ["run", "test"]])
def test_without_one_set_it_says_how_it_is_called(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "usage:" in capsys.readouterr().err


def test_the_check_of_a_ready_environment_imports_little() -> None:
    imports = "import sys; from local.environment import main; main(['run', '--check']); "
    shows = "print(sorted(n for n in sys.modules if n.startswith('local.') or n == 'asyncio'))"
    root = str(environment.ROOT)

    shown = subprocess.run(
        [sys.executable, "-c", imports + shows],
        env=environ(),
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown.stdout.strip() == "['local.environment']"
