"""One socket for each ticket: of however many come at once, on whichever replica, and later."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from tests.client import Client, Json
from tests.product import Process, Product, product

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS, THEIRS = "ticket-key-of-ours-01", "ticket-key-of-theirs-02"
AT_ONCE = 50
POSITION = "position"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replicas(broker: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    """Give two servers of two tenants, one of which tells all; nothing has to be processed."""
    environ = {"API_KEYS": f"ours:{OURS},theirs:{THEIRS}", "API_KEY": ""}
    async with product(broker, tmp_path_factory.mktemp("tickets"), environ) as made:
        for server in (made.api(), made.api(LOG_LEVEL="DEBUG")):
            await server.start()
        yield made


async def ticket_of(client: Client, stream: str, **body: object) -> str:
    answer = await client.http.post(f"/stream/{stream}/ticket", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


async def opened(server: Process, stream: str, ticket: str) -> str | int:
    """Open a socket with a ticket alone; return its first frame's type, or what closed it."""
    address = f"{server.url.replace('http', 'ws', 1)}/stream/{stream}/results?ticket={ticket}"
    async with asyncio.timeout(30), connect(address, compression=None, proxy=None) as socket:
        told: Json = json.loads(await socket.recv())
        if told["type"] != "error":
            return str(told["type"])
        await socket.wait_closed()
        return socket.close_code or 0


async def page(server: Process, stream: str, ticket: str) -> int:
    """Read a page with a ticket alone, and return the status."""
    address = f"{server.url}/stream/{stream}/results"
    async with httpx.AsyncClient(trust_env=False) as http:
        query, accept = {"ticket": ticket}, {"accept": "application/json"}
        answer = await http.get(address, params=query, headers=accept)
        return answer.status_code


async def test_of_50_that_redeem_a_ticket_at_once_on_two_replicas_one_has_it(
    replicas: Product,
) -> None:
    first, second = replicas.processes
    async with Client(first.url, OURS) as us:
        stream = await us.start()
        ticket = await ticket_of(us, stream, use="websocket")

        found = await asyncio.gather(
            *(opened((first, second)[number % 2], stream, ticket) for number in range(AT_ONCE))
        )

    assert Counter(found) == {POSITION: 1, 4401: AT_ONCE - 1}


async def test_a_ticket_that_was_redeemed_stays_so_over_a_restart_and_one_that_was_not_counts(
    replicas: Product,
) -> None:
    first, second = replicas.processes
    async with Client(first.url, OURS) as us:
        stream = await us.start()
        used, unused, events = [
            await ticket_of(us, stream, use=use)
            for use in ("websocket", "websocket", "eventsource")
        ]
    assert await opened(first, stream, used) == POSITION

    await second.kill()
    await second.start()

    assert await opened(second, stream, used) == 4401
    assert await opened(second, stream, unused) == POSITION
    assert await page(second, stream, events) == 200


async def test_a_ticket_opens_its_own_stream_on_any_replica_and_no_other(
    replicas: Product,
) -> None:
    first, second = replicas.processes
    async with Client(first.url, OURS) as us, Client(first.url, THEIRS) as them:
        stream, other, theirs = await us.start(), await us.start(), await them.start()
        ticket = await ticket_of(us, stream)
        socket_tickets = [await ticket_of(us, stream, use="websocket") for _ in range(2)]

    for server in (first, second):
        assert await page(server, stream, ticket) == 200
        for elsewhere in (other, theirs):
            assert await page(server, elsewhere, ticket) == 401
    for elsewhere, socket_ticket in zip((other, theirs), socket_tickets, strict=True):
        assert await opened(second, elsewhere, socket_ticket) == 4401
        # What was refused there was not used up.
        assert await opened(second, stream, socket_ticket) == POSITION


async def test_a_ticket_is_for_one_use(replicas: Product) -> None:
    server = replicas.processes[0]
    async with Client(server.url, OURS) as us:
        stream = await us.start()
        events, socket = await ticket_of(us, stream), await ticket_of(us, stream, use="websocket")

    assert await opened(server, stream, events) == 4401
    assert await page(server, stream, socket) == 401
    assert await opened(server, stream, socket) == POSITION


async def test_no_ticket_is_ever_logged_whatever_the_level(replicas: Product) -> None:
    for server in replicas.processes:
        async with Client(server.url, OURS) as us:
            stream = await us.start()
            tickets = [await ticket_of(us, stream, use=use) for use in ("eventsource", "websocket")]
            told = [*tickets, *(f"canary{ticket}" for ticket in tickets)]
            for ticket in told:
                await page(server, stream, ticket)
                await opened(server, stream, ticket)
                await us.http.get(f"/nothing?ticket={ticket}")
                await us.http.get(f"/stream/{stream}/results?ticket={ticket}&limit=x")
            metrics = (await us.http.get(server.metrics_url)).text

        log = server.log.read_text()
        assert stream in log
        for ticket in told:
            # A part of one is as bad as the whole.
            middle = ticket[len(ticket) // 3 :][:24]
            assert middle not in log
            assert middle not in metrics
