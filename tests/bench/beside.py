"""``python -m tests.bench.beside``: another program of the same three endpoints, with a broker.

It is told where to listen and where Kafka is as our own is: PORT, HOST, KAFKA_BROKER, API_KEY.
"""

import argparse
import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from local.broker import Broker
from local.children import die_with_parent, exit_reason, stop
from local.ports import LOOPBACK
from local.progress import warn

STOP_SECONDS = 10.0
FAILED = 1


async def run(command: Sequence[str], port: int, data: Path) -> int:
    """Run a broker and the program until told to stop, or until one of them ends."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    broker = Broker(data / "kafka")
    await broker.start()
    try:
        return await _run_program(command, _environ(broker.bootstrap, port), told)
    finally:
        await broker.stop()


async def _run_program(command: Sequence[str], environ: dict[str, str], told: asyncio.Event) -> int:
    program = await asyncio.create_subprocess_exec(
        *command, env=environ, stdin=asyncio.subprocess.DEVNULL, preexec_fn=die_with_parent()
    )
    ended, asked = asyncio.ensure_future(program.wait()), asyncio.ensure_future(told.wait())
    try:
        await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        asked.cancel()
        await stop(program, STOP_SECONDS)
    if not told.is_set():
        warn(f"{command[0]} ended: {exit_reason(await ended)}")
        return FAILED
    return 0


def _environ(broker: str, port: int) -> dict[str, str]:
    return {**os.environ, "KAFKA_BROKER": broker, "HOST": LOOPBACK, "PORT": str(port)}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.beside")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("command", help="as for a shell, in one argument")
    asked = parser.parse_args(arguments)
    return asyncio.run(run(shlex.split(asked.command), asked.port, asked.data))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
