"""What every folder shares: a real broker, started once for a test run, and ports of our own."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import ports
from local.broker import Broker

# Begun first, so that no worker is left with one of them when the others are done.
LONGEST = (
    "tests/stories/test_every_form_the_same.py",
    "tests/conformance/test_contract.py",
    "tests/history/test_promises.py",
    "tests/stories/test_restart_of_everything.py",
    "tests/emulator/test_frozen_functions.py",
    "tests/processing/test_idempotency.py",
    "tests/cluster/test_brokers_fail.py",
    "tests/contracts/test_results_log.py",
)
MOST_WORKERS = 8


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


@pytest.fixture(scope="session", autouse=True)
def own_ports(worker_id: str) -> Iterator[None]:
    """Keep what runs beside this from the port of a server that a test has just ended.

    Such a port is free until the test starts the server again, and anybody may find it.
    """
    first, last = ports.FIRST, ports.LAST
    width = (last - first) // MOST_WORKERS
    number = int(worker_id.removeprefix("gw")) if worker_id != "master" else 0
    ports.FIRST = first + number % MOST_WORKERS * width
    ports.LAST = ports.FIRST + width
    yield
    ports.FIRST, ports.LAST = first, last


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; the order of all others stays as it is."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(rank)))
