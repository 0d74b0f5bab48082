"""With STREAM_REGISTRY=dynamodb two servers lease what a tenant may do from the table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.aws.table_server import environ_for
from tests.client import Client
from tests.product import Product, product
from tests.stories.test_shared_limits import Admitted, hammer, use_up
from tests.stories.test_streams_in_a_table import table_url

__all__ = ["table_url"]
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

# The emulated table takes its time, on a busy machine more than a request waits for it.
PER_SECOND, BURST = 5, 10
REFUSALS = frozenset({429, 503})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(
    broker: str, table_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Product]:
    environ = {
        **environ_for(table_url),
        "RATE_LIMIT_PER_SECOND": str(PER_SECOND),
        "RATE_LIMIT_BURST": str(BURST),
    }
    async with product(broker, tmp_path_factory.mktemp("limits-table"), environ) as made:
        await asyncio.gather(*(made.api().start() for _ in range(2)))
        yield made


async def once_asked(client: Client) -> httpx.Response:
    """Return an answer that the table had a part in."""
    for _ in range(10):
        answer = await client.http.get("/streams")
        if answer.status_code != 503:
            return answer
    raise AssertionError("the table does not answer")


async def test_two_servers_over_a_table_share_one_budget(pair: Product) -> None:
    admitted, seconds = Admitted(), 3.0
    one, other = (Client(process.url) for process in pair.processes)
    async with one, other:
        ends = time.monotonic() + seconds
        await asyncio.gather(*[hammer(c, admitted, ends, REFUSALS) for c in (one, other) * 3])
        refused = await use_up([one, other])
        await asyncio.sleep(int(refused.headers["retry-after"]))
        later = await once_asked(other)

    for window in (0.25, 0.5, 1.0, 2.0, 3.0):
        assert admitted.most_within(window) <= BURST + PER_SECOND * window
    assert len(admitted.times) >= 0.8 * PER_SECOND * seconds
    assert later.status_code == 200
