"""``python -m tests.stories.observed``: the API process, which tells what it holds when signalled.

It is the product's own process in all else. The answer to SIGUSR1 is a file, because a request for
it would be one more connection, with tasks and a descriptor of its own.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

from streaming_runtime.live.__main__ import main

FILE = "OBSERVED_FILE"
OURS = ("streaming_runtime.", "functions.", "uvicorn.", "websockets.")
# What the log holds, and not a connection: the rings of recent results keep thousands.
OF_THE_LOG = {"EncodedResult", "LogEntry", "Position", "Height"}


def tasks() -> dict[str, int]:
    """Count what the loop runs, by the name of its coroutine."""
    return Counter(str(getattr(t.get_coro(), "__qualname__", t)) for t in asyncio.all_tasks())


def objects() -> dict[str, int]:
    """Count the living objects of our classes and of the server's."""
    kinds = Counter(map(type, gc.get_objects()))
    return {
        kind.__qualname__: count
        for kind, count in kinds.items()
        if str(kind.__module__).startswith(OURS) and kind.__qualname__ not in OF_THE_LOG
    }


def tell(path: Path) -> None:
    """Write what is held once everything is freed that only waits to be."""
    gc.collect()
    told = {"tasks": tasks(), "objects": objects()}
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    written = path.with_suffix(".new")
    written.write_text(json.dumps(told), encoding="utf-8")
    written.replace(path)


def asked(*_: object) -> None:
    # Between two turns of the loop: a signal comes in the middle of anything.
    asyncio.get_running_loop().call_soon_threadsafe(tell, Path(os.environ[FILE]))


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, asked)
    sys.exit(main())
