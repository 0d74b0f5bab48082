import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.local.processes import ROOT, all_gone, environ, recorded_pids, started

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
VERBS = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split()  # type: ignore[index]


def make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=cwd, env=environ(), capture_output=True, text=True, check=False
    )


def test_help_lists_each_verb_with_its_meaning(tmp_path: Path) -> None:
    listed = make("--no-print-directory", "-C", str(ROOT), "help", cwd=tmp_path)

    names = [line.split()[1] for line in listed.stdout.splitlines()]
    assert sorted(names) == sorted(VERBS)
    assert all(len(line.split()) > 3 for line in listed.stdout.splitlines())
    assert {"run", "test", "setup", "check", "fix", "bench", "soak", "lock", "clean"} <= set(names)


def test_help_is_what_make_alone_shows() -> None:
    assert make().stdout == make("help").stdout


def test_a_python_that_is_too_old_or_missing_is_said_with_what_to_do() -> None:
    refused = make("run", "PYTHON=/no such/python3")

    assert refused.returncode == 2
    assert "needs Python 3.11 or newer. None of these is: /no such/python3" in refused.stderr
    assert "make PYTHON=" in refused.stderr


def test_a_python_too_old_is_passed_over_for_a_newer_one(tmp_path: Path) -> None:
    bins = tmp_path / "bin"
    bins.mkdir()
    for name, code in (("python3", "exit 1"), ("python3.12", 'echo "made by $0 $*"')):
        (bins / name).write_text(f"#!/bin/sh\n{code}\n")
        (bins / name).chmod(0o755)
    (tmp_path / "Makefile").write_text(MAKEFILE, encoding="utf-8")

    made = subprocess.run(
        ["make", "fix"],
        cwd=tmp_path,
        env=environ(PATH=f"{bins}:/usr/bin:/bin"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert f"made by {bins}/python3.12 -m local.environment test" in made.stdout


def test_targets_use_the_environment_and_no_installed_script() -> None:
    commands = [line for line in MAKEFILE.splitlines() if line.startswith("\t")]

    assert not [line for line in commands if ".venv/bin/" in line]
    for verb in VERBS:
        if verb not in {"help", "clean"}:
            assert re.search(rf"^{verb}: .*\n\t\$\(call environment,", MAKEFILE, re.MULTILINE)


@pytest.fixture
def makefile(tmp_path: Path) -> Path:
    """Give a Makefile whose ``run`` is ours with stand-ins for API and processing."""
    recipe = re.search(r"^run: .*\n\t.*\n\t(.*)$", MAKEFILE, re.MULTILINE)
    assert recipe
    command = recipe[1].replace("-m local ", "-m tests.local.fake_product ")
    path = tmp_path / "Makefile"
    path.write_text(f"run:\n\t{command}\n", encoding="utf-8")
    return path


async def test_a_killed_make_leaves_nothing_running(
    makefile: Path, tmp_path: Path, broker: str
) -> None:
    data = tmp_path / "data"
    arguments = f"--port 0 --prometheus-port 0 --broker {broker} --data data"
    command = ("make", "run", f"ARGS={arguments}", f'ROOT_PYTHON="{sys.executable}"')
    async with started(*command, cwd=tmp_path) as run:
        await run.prints("Ready after")
        pids = recorded_pids(data)

        run.process.kill()

        assert len(pids) == 2
        await eventually(lambda: all_gone(pids))
        await eventually(lambda: not (data / "run.json").exists())  # It has stopped in good order.
