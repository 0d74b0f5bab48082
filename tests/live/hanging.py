"""A process whose loop hangs, or is only slow, or is stopped: run by its test."""

from __future__ import annotations

import asyncio
import sys
import time

from streaming_runtime.core.logs import configure_logs
from streaming_runtime.live import watchdog


def stuck_here(seconds: float) -> None:
    time.sleep(seconds)


async def main(seconds: float) -> None:
    with watchdog.watched(asyncio.get_running_loop()):
        await asyncio.sleep(0.3)
        sys.stdout.write('{"message":"ready"}\n')
        sys.stdout.flush()
        stuck_here(seconds)
        await asyncio.sleep(0.3)


watchdog.LOOK_SECONDS = 0.1
watchdog.HUNG_SECONDS = 10
configure_logs("INFO", "api")
asyncio.run(main(float(sys.argv[1])))
