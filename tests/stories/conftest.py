"""What most stories begin with: one server and one processing process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.client import Client
from tests.product import Process, Product, product
from tests.stories.wire import Wire, wire


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(broker: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    """Give a product with one API server and one processing process, ready, to all who only use it.

    A story that stops, kills or configures anything makes its own.
    """
    async with product(broker, tmp_path_factory.mktemp("product")) as made:
        api, processing = made.api(), made.processing()
        await api.start()
        await processing.start()
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def second(running: Product) -> Process:
    """Give another server of the same product."""
    server = running.api()
    await server.start()
    return server


@pytest.fixture
def server(running: Product) -> Process:
    """Give the server that ``client`` speaks to."""
    return running.processes[0]


@pytest.fixture
async def client(server: Process) -> AsyncIterator[Client]:
    async with Client(server.url) as made:
        yield made


@pytest.fixture
async def peer(server: Process) -> AsyncIterator[Wire]:
    """Give a connection to the server, to say on it whatever one likes."""
    async with wire(server.url) as opened:
        yield opened
