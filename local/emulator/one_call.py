"""One call of one function, from a file: its answer and its log."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from local.broker import USUAL_PORT, Broker
from local.broker_probe import serving_cluster
from local.build.functions import Function, function_named
from local.command import ASKED_WRONGLY, FAILED
from local.emulator.faults import FaultPlan
from local.emulator.outcome import Answered, Outcome
from local.emulator.setting import Limits
from local.emulator.workshop import Workshop
from local.options import Options, read
from local.ports import LOOPBACK
from local.progress import say, warn
from streaming_runtime.core.dotenv import load

USAGE = "usage: make invoke F=send EVENT=event.json (EVENT=- reads standard input)"
MARK = "millrace-invoke"


@contextlib.asynccontextmanager
async def some_broker(options: Options) -> AsyncIterator[str]:
    """Give the broker that is configured, else that of a run in DATA_DIR, else one of our own."""
    directory = options.data / "kafka"
    bootstrap = options.broker or await _of_a_run(directory)
    if bootstrap:
        yield bootstrap
        return
    broker = Broker(directory, USUAL_PORT)
    try:
        await broker.start()
        yield broker.bootstrap
    finally:
        await broker.stop()


async def _of_a_run(directory: Path) -> str:
    try:
        port = json.loads((directory / "broker.json").read_text(encoding="utf-8"))["port"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    is_there = isinstance(port, int) and await serving_cluster(LOOPBACK, port)
    return f"{LOOPBACK}:{port}" if is_there else ""


async def invoke(function: Function, event: bytes, options: Options) -> int:
    """Invoke a function once in a sandbox of its own; 1 if it failed."""
    stop_on_signals()
    async with some_broker(options) as bootstrap:
        data = options.data / "invoke"
        workshop = Workshop(data, bootstrap, options.environ, Limits(), FaultPlan(), MARK)
        sandboxes = await asyncio.to_thread(workshop.sandboxes, function)
        log = workshop.log(function)
        log.unlink(missing_ok=True)
        try:
            outcome = await sandboxes.invoke(event)
        finally:
            await sandboxes.close()
    say(log.read_text(encoding="utf-8", errors="replace").rstrip())
    return _told(outcome)


def stop_on_signals() -> None:
    """Have Ctrl-C and SIGTERM cancel this task, so that everything it started is ended."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def _told(outcome: Outcome) -> int:
    if isinstance(outcome, Answered):
        say(f"\n{json.dumps(json.loads(outcome.body), indent=2, ensure_ascii=False)}")
        return 0
    warn(f"\n{outcome.kind}: {outcome.body.decode(errors='replace')}")
    return 1


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Invoke; 1 if the function failed, 2 if it was asked wrongly."""
    try:
        name, path, *others = arguments
        function = function_named(name)
        event = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        json.loads(event)
        options = read(others, environ, load(Path(".env")))
        return asyncio.run(invoke(function, event, options))
    except FileNotFoundError as missing:
        warn(f"there is no file {missing.filename}\n{USAGE}")
    except LookupError as unknown:
        warn(f"{unknown.args[0]}\n{USAGE}")
    except (*ASKED_WRONGLY, ValueError) as wrong:
        warn(f"{wrong}\n{USAGE}")
    except FAILED as failure:
        warn(str(failure))
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    return 2
