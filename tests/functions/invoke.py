"""Stands in for Lambda: a process that imports handlers and calls them, one event a line.

Reads ``{"function", "event"}`` from standard input and answers ``{"answer"}`` or ``{"raised"}`` on
the file descriptor it is given, since standard output is where a function logs.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Context:
    """What Lambda says of a call, as far as it is read."""

    function_name: str
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:millrace"
    aws_request_id: str = "00000000-0000-4000-8000-000000000000"

    left_ms: int = 29_000

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


def main(descriptor: int) -> None:
    with os.fdopen(descriptor, "w") as out:
        for line in sys.stdin:
            asked = json.loads(line)
            found = outcome(asked["function"], asked.get("event"), asked.get("left_ms", 29_000))
            print(json.dumps(found), file=out, flush=True)


def outcome(function: str, event: dict[str, Any] | None, left_ms: int) -> dict[str, Any]:
    """Import a handler and call it; without an event say what the process holds by now."""
    handler = importlib.import_module(f"functions.{function}.handler").handler
    if event is None:
        return holdings()
    try:
        return {"answer": handler(event, Context(function, left_ms=left_ms))}
    except Exception as exc:  # noqa: BLE001 - what Lambda does with whatever a handler raises
        return {"raised": f"{type(exc).__name__}: {exc}"}


def holdings() -> dict[str, Any]:
    kinds = [type(one).__name__ for one in gc.get_objects()]
    return {
        "threads": threading.active_count(),
        "producers": kinds.count("AIOKafkaProducer"),
        "sockets": [name for name in open_files() if name.startswith(("socket:", "anon_inode:"))],
        "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    }


def open_files() -> list[str]:
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # The one that lists them.
            found.append(str(descriptor.readlink()))
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]))
