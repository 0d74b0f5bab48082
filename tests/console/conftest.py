"""A browser, and a product for it to visit: both are started once for this folder's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from tests.console.chromium import Page, browser, executable
from tests.product import Process, product

OpenTab = Callable[[], Awaitable[Page]]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Give the path of a Chromium; without one there is nothing to test with."""
    path = executable()
    if path is None:
        pytest.skip("there is no Chromium on PATH to open the pages with")
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    chromium: str, broker: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Process]:
    """Give an API server, with processing behind it, both ready."""
    async with product(broker, tmp_path_factory.mktemp("product")) as made:
        api, processing = made.api(), made.processing()
        await api.start()
        await processing.start()
        yield api


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_tab(
    chromium: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OpenTab]:
    async with browser(tmp_path_factory.mktemp("browser") / "profile") as tab:
        yield tab


@pytest_asyncio.fixture(loop_scope="module")
async def page(open_tab: OpenTab) -> AsyncIterator[Page]:
    """Give a tab that shares nothing with others; it must end without a complaint."""
    tab = await open_tab()
    yield tab
    await tab.evaluate("0")  # hear what was still on its way
    await tab.close()
    assert tab.complaints == []
