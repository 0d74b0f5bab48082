"""A process of one function's runtime, called by the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
EVENTS = Path(__file__).parent / "events"


def event(name: str, **replacements: str) -> dict[str, Any]:
    """Return one of the events of this folder, with its placeholders filled in."""
    text = (EVENTS / f"{name}.json").read_text()
    for placeholder, value in replacements.items():
        text = text.replace(placeholder, value)
    found: dict[str, Any] = json.loads(text)
    return found


class LambdaProcess:
    """Calls handlers in a process of their own."""

    def __init__(self, process: subprocess.Popen[str], answers: IO[str]) -> None:
        self._process = process
        self._answers = answers
        self.seconds = 0.0

    def call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """Invoke a handler and return its answer."""
        outcome = self.outcome(function, event)
        assert "answer" in outcome, outcome
        answer: dict[str, Any] = outcome["answer"]
        return answer

    def outcome(self, function: str, event: dict[str, Any] | None) -> dict[str, Any]:
        """Invoke a handler and return its answer, or what it raised."""
        assert self._process.stdin is not None
        begun = time.monotonic()
        print(
            json.dumps({"function": function, "event": event}),
            file=self._process.stdin,
            flush=True,
        )
        line = self._answers.readline()
        self.seconds = time.monotonic() - begun
        assert line, "the process ended"
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def lambda_process(log: Path, environ: Mapping[str, str]) -> Iterator[LambdaProcess]:
    """Start a process with just these variables; its output goes to ``log``."""
    ours, theirs = os.pipe()
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.functions.invoke", str(theirs)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **environ},
            text=True,
        )
    os.close(theirs)
    with os.fdopen(ours) as answers:
        try:
            yield LambdaProcess(process, answers)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
