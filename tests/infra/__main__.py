"""``make infra``: everything about the templates that can be proved without an account.

What `make test` runs of it, and the tools that are too slow for that or need their own packages.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.infra.emulated import CHECKED_ONLY, INTERFACE
from tests.infra.templates import ALL, ROOT, SAM, name_of, resources
from tests.infra.test_created import CREATED
from tests.infra.tools import Tool, ToolMissing

FUNCTIONS = ("start", "send", "results", "streams")


class Outcome(NamedTuple):
    """What a check found: how many things it held, how many it did not, and in its own words."""

    passed: int
    failed: int
    words: str


def sam_validate() -> Outcome:
    done = Tool("sam").run("validate", "--lint", "--template", str(SAM))
    return _of(done, "template.yaml is what SAM takes, and its linter is silent")


def sam_build() -> Outcome:
    """Have SAM take the functions where `make build` leaves them; what is in them is not read."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "template.yaml").write_bytes(SAM.read_bytes())
        for name in FUNCTIONS:
            (place / "build" / name).mkdir(parents=True)
        done = Tool("sam").run("build", "--no-cached", cwd=place)
        built = place / ".aws-sam" / "build" / "template.yaml"
        places = re.findall(r"CodeUri: (\S+)", built.read_text()) if built.is_file() else []
        found = sum((built.parent / one).resolve().is_dir() for one in places)
    if done.returncode == 0 and found == len(FUNCTIONS):
        return Outcome(found, 0, "functions of build/ are where the built template points")
    return Outcome(found, len(FUNCTIONS) - found or 1, done.stderr.strip()[-600:])


def checkov() -> Outcome:
    # The file is named: checkov would also look for one in the home of whoever calls it.
    done = Tool("checkov").run("--config-file", ".checkov.yaml", "--output", "json")
    try:
        summary = json.loads(done.stdout)["summary"]
    except (ValueError, KeyError, TypeError):
        return Outcome(0, 1, (done.stderr or done.stdout).strip()[-600:])
    skips = (ROOT / ".checkov.yaml").read_text(encoding="utf-8").count("\n  - CKV")
    words = f"checks of {summary['resource_count']} resources; {skips} kinds left out with a reason"
    if summary["failed"] or summary["parsing_errors"]:
        words += f"\n{done.stdout[-1500:]}"
    return Outcome(summary["passed"], summary["failed"] + summary["parsing_errors"], words)


class Tally:
    """Counts the tests of a file as pytest runs them."""

    def __init__(self) -> None:
        self.passed: dict[str, int] = {}
        self.failed: dict[str, int] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = Path(report.nodeid.partition("::")[0]).stem
        if report.failed:
            self.failed[file] = self.failed.get(file, 0) + 1
        elif report.when == "call" and report.passed:
            self.passed[file] = self.passed.get(file, 0) + 1


def tests() -> Iterator[tuple[str, Outcome]]:
    """Run the tests of this folder and give an outcome for each file."""
    tally = Tally()
    folder = Path(__file__).parent
    code = pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", str(folder)], [tally])
    for file in sorted(folder.glob("test_*.py")):
        passed, failed = tally.passed.get(file.stem, 0), tally.failed.get(file.stem, 0)
        words = (file.read_text(encoding="utf-8").split('"""')[1]).splitlines()[0]
        yield file.stem, Outcome(passed, failed if passed or failed else 1, words)
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        yield "pytest", Outcome(0, 1, f"ended with {code!r}")


def _of(done: subprocess.CompletedProcess[str], words: str) -> Outcome:
    if done.returncode == 0:
        return Outcome(1, 0, words)
    return Outcome(0, 1, (done.stdout + done.stderr).strip()[-1500:])


def _tool(check: Callable[[], Outcome]) -> Outcome:
    try:
        return check()
    except ToolMissing as problem:
        return Outcome(0, 1, str(problem))


TOOLS: tuple[tuple[str, Callable[[], Outcome]], ...] = (
    ("sam validate", sam_validate),
    ("sam build", sam_build),
    ("checkov", checkov),
)


def main() -> int:
    """Run every check and print what each held; 1 if one failed."""
    begun = time.monotonic()
    outcomes = [*tests(), *((name, _tool(check)) for name, check in TOOLS)]
    _say("\nchecks  failed  what")
    for name, (passed, failed, words) in outcomes:
        _say(f"{passed:6}  {failed:6}  {name.removeprefix('test_')}: {words}")
    _say_what_was_made()
    held = sum(outcome.passed for _, outcome in outcomes)
    failures = sum(outcome.failed for _, outcome in outcomes)
    _say(f"\n{held} checks, {failures} failures, {time.monotonic() - begun:.0f} s")
    return 1 if failures else 0


def _say_what_was_made() -> None:
    made, only = sum(CREATED.values()), sorted(CHECKED_ONLY | {INTERFACE})
    total = sum(len(resources(path)) for path in ALL)
    _say(f"\n{len(ALL)} templates with {total} resources: {', '.join(map(name_of, ALL))}")
    _say(f"Really created, on moto: {made} resources of {len(CREATED)} types: {_list(CREATED)}")
    _say(f"Held against code and linters alone: {len(only)} types: {_list(only)}")


def _list(kinds: Iterable[str]) -> str:
    return ", ".join(kind.removeprefix("AWS::") for kind in sorted(kinds))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
