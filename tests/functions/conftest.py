"""One API for each module of tests; each test has streams of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.functions.api import Api, running_api


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(broker: str) -> AsyncIterator[Api]:
    async with running_api(broker) as running:
        yield running
