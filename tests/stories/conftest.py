"""What most stories begin with: one server and one processing process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.client import Client
from tests.product import Product, product


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


@pytest.fixture
async def client(running: Product) -> AsyncIterator[Client]:
    async with Client(running.processes[0].url) as made:
        yield made
