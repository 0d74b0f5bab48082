"""The one fixture every folder shares: a real broker, started once for a test run."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.broker import Broker


class BrokerThread:
    """An embedded broker with an event loop of its own, so that tests may use any loop they like.

    The thread lives as long as the broker: Linux sends a child the parent-death signal when the
    thread that started it ends.
    """

    def __init__(self, directory: Path) -> None:
        self.broker = Broker(directory)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="broker", daemon=True)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.broker.start(), self._loop).result(700)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.broker.stop(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the bootstrap address of a broker with empty topics."""
    running = BrokerThread(tmp_path_factory.mktemp("kafka"))
    running.start()
    yield running.broker.bootstrap
    running.stop()
