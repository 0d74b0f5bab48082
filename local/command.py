"""The command line of ``python -m local``, and what a signal does to what it runs."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.broker_data import BrokerFailed
from local.children import follow_make
from local.composition import COMMANDS, BrokerEnded, PortTaken, Product
from local.jars import JarsRefused, JarsUnavailable
from local.options import read
from local.progress import say, warn
from local.run_directory import DirectoryTaken, DirectoryUnusable
from local.supervised import ChildFailed
from streaming_runtime.core.dotenv import BadLine, load
from streaming_runtime.core.errors import ConfigurationInvalid

ASKED_WRONGLY = (PortTaken, DirectoryTaken, DirectoryUnusable, ConfigurationInvalid, BadLine)
FAILED = (BrokerFailed, BrokerEnded, ChildFailed, JarsUnavailable, JarsRefused, OSError)
INTERRUPTED = 130


async def supervise(product: Product) -> int:
    """Run the product until a signal or a failure ends it; a second signal ends all at once."""
    told = asyncio.Event()

    def on_signal() -> None:
        if told.is_set():
            product.kill()
            os._exit(INTERRUPTED)
        told.set()
        say("\nStopping; once more ends everything at once")

    for number in _stopping_signals():
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    running = asyncio.create_task(product.run())
    waiting = asyncio.create_task(told.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return await _outcome(running)
    finally:
        waiting.cancel()
        await product.stop()


def _stopping_signals() -> list[signal.Signals]:
    # nohup asks to live on when the terminal closes.
    hangs_up = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hangs_up else [])]


async def _outcome(running: asyncio.Task[None]) -> int:
    """End the run and say why it ended, if it was not asked to."""
    running.cancel()
    code = 0
    try:
        await running
    except* asyncio.CancelledError:
        pass
    except* ASKED_WRONGLY as failures:
        warn(str(_first(failures)))
        code = 2
    except* FAILED as failures:
        warn(f"\n{_first(failures)}")
        code = 1
    return code


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def main(arguments: Sequence[str], commands: Mapping[str, list[str]] = COMMANDS) -> int:
    """Run everything; 0 when it was told to stop, 1 when it failed, 2 when it was asked wrongly."""
    follow_make(os.environ)
    try:
        options = read(arguments, os.environ, load(Path(".env")))
    except (*ASKED_WRONGLY, OSError) as problem:
        warn(str(problem))
        return 2
    return asyncio.run(supervise(Product(options, commands)))
