"""``python -m tests.history``: a run, a second look at one, or the proof of the checker."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from tests.history import mutation
from tests.history.checks import violations
from tests.history.events import load
from tests.history.options import Options, options_of, parser
from tests.history.progress import say
from tests.history.record import recorded
from tests.history.report import report
from tests.history.run import run

VIOLATED = 1


def main(arguments: Sequence[str]) -> int:
    """Run or check; 1 if anything is wrong."""
    if arguments and arguments[0] == "check":
        return judge(Path(arguments[1]))
    if arguments and arguments[0] == "mutants":
        return mutation.main(arguments[1:])
    options = options_of(parser().parse_args(arguments))
    say(f"Repeat with: {options.command}")
    uvloop.run(run(options))
    return judge(options.folder, options)


def judge(folder: Path, options: Options | None = None) -> int:
    """Check the history in a folder, and print what it shows."""
    record = recorded(load(folder))
    found = violations(record)
    say(report(record, found))
    is_wrong = any(found.values())
    verdict = "WRONG" if is_wrong else "All promises held"
    say(f"{verdict}; history and logs: {folder}")
    if record.plan is not None:
        say(f"Repeat with: {record.plan.command}")
    return VIOLATED if is_wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
