"""What most stories begin with: one server and one processing process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.client import Client
from tests.product import Product, product


@pytest.fixture
async def running(broker: str, tmp_path: Path) -> AsyncIterator[Product]:
    """Give a product with one API server and one processing process, ready."""
    async with product(broker, tmp_path) as made:
        api, processing = made.api(), made.processing()
        await api.start()
        await processing.start()
        yield made


@pytest.fixture
async def client(running: Product) -> AsyncIterator[Client]:
    async with Client(running.processes[0].url) as made:
        yield made
