"""A process of one function's runtime, called by the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
OPEN_SECONDS = 40.0
UNAVAILABLE = 503
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
        # What each invocation is told that it has left.
        self.left_ms = 29_000

    def freeze(self) -> None:
        """Stop it as Lambda does after an answer: nothing of it runs."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """Invoke a handler and return its answer."""
        outcome = self.outcome(function, event)
        assert "answer" in outcome, outcome
        answer: dict[str, Any] = outcome["answer"]
        return answer

    def call_until_open(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """Invoke a handler as a client does that is told to come back: a first call may take long.

        A busy machine may need more for a first connection than a function takes for it.
        """
        deadline = time.monotonic() + OPEN_SECONDS
        while True:
            answer = self.call(function, event)
            if answer["statusCode"] != UNAVAILABLE or time.monotonic() > deadline:
                return answer

    def outcome(self, function: str, event: dict[str, Any] | None) -> dict[str, Any]:
        """Invoke a handler and return its answer, or what it raised."""
        assert self._process.stdin is not None
        begun = time.monotonic()
        print(
            json.dumps({"function": function, "event": event, "left_ms": self.left_ms}),
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
