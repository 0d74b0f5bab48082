"""A ticket can do nothing that its key cannot, and not for longer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.client import Client, Json, frame
from tests.eventually import until
from tests.keys.command import keys
from tests.product import Process, product

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]

SHORT_SECONDS = 10


class Issuing(NamedTuple):
    """A server, and the file of its keys."""

    server: Process
    file: Path

    async def key(self, *words: str) -> str:
        """Make a key of one tenant, and return it when the server has noticed."""
        key = (await self.command("add", "--tenant", "acme", *words)).strip()
        async with Client(self.server.url, key) as client:

            async def status() -> int:
                return (await client.http.post("/stream/nothing/ticket")).status_code

            await until(status, lambda found: found != 401, 20)
        return key

    async def command(self, *words: str) -> str:
        place = ("--file", str(self.file))
        done = await asyncio.to_thread(keys, *words, *place, cwd=self.file.parent)
        assert done.code == 0, done.err
        return done.out


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def issuing(broker: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Issuing]:
    directory = tmp_path_factory.mktemp("ticketkeys")
    file = directory / "keys.json"
    await asyncio.to_thread(keys, "add", "--tenant", "other", "--file", str(file), cwd=directory)
    async with product(broker, directory, {"API_KEYS_FILE": str(file)}) as made:
        server = made.api()
        await server.start()
        yield Issuing(server, file)


async def asked(client: Client, stream: str, **body: object) -> Json:
    answer = await client.http.post(f"/stream/{stream}/ticket", json=body)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


def opened(server: Process, stream: str, ticket: str) -> connect:
    address = f"{server.url.replace('http', 'ws', 1)}/stream/{stream}/results?ticket={ticket}"
    return connect(address, compression=None, proxy=None)


async def test_a_socket_is_told_of_the_end_of_its_makers_key_and_closed_then(
    issuing: Issuing,
) -> None:
    key = await issuing.key("--expires-in", str(SHORT_SECONDS))
    async with Client(issuing.server.url, key) as client:
        stream = await client.start()
        events = await asked(client, stream, ttl_seconds=900)
        socket_ticket = await asked(client, stream, use="websocket")

    async with (
        asyncio.timeout(SHORT_SECONDS + 10),
        opened(issuing.server, stream, socket_ticket["ticket"]) as socket,
    ):
        told = [await frame(socket) for _ in range(2)]
        await socket.send(json.dumps({"type": "send", "data": 1}))
        told += [await frame(socket) for _ in range(2)]
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()

    assert events["expires_in"] < SHORT_SECONDS
    assert [one["type"] for one in told] == [
        "position",
        "credential-expiring",
        "receipt",
        "position",
    ]
    assert told[1]["expires_in"] <= SHORT_SECONDS
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


async def test_a_ticket_ends_with_a_key_that_is_withdrawn(issuing: Issuing) -> None:
    key = await issuing.key()
    async with Client(issuing.server.url, key) as client:
        stream = await client.start()
        events = (await asked(client, stream))["ticket"]
        socket_ticket = (await asked(client, stream, use="websocket"))["ticket"]

    async with httpx.AsyncClient(base_url=issuing.server.url, trust_env=False) as page:

        async def status() -> int:
            accept, query = {"accept": "application/json"}, {"ticket": events}
            path = f"/stream/{stream}/results"
            return (await page.get(path, params=query, headers=accept)).status_code

        assert await status() == 200
        await issuing.command("revoke", key.split("_")[1])
        await until(status, lambda found: found == 401, 60)
    async with asyncio.timeout(10), opened(issuing.server, stream, socket_ticket) as socket:
        assert (await frame(socket))["problem"]["code"] == "unauthorized"


async def test_a_ticket_of_a_key_that_may_only_read_opens_a_socket_that_only_reads(
    issuing: Issuing,
) -> None:
    owner = await issuing.key()
    reader = await issuing.key("--scopes", "read")
    sender = await issuing.key("--scopes", "send")
    async with Client(issuing.server.url, owner) as client:
        stream = await client.start()
    async with Client(issuing.server.url, reader) as client:
        ticket = (await asked(client, stream, use="websocket"))["ticket"]
    async with Client(issuing.server.url, sender) as client:
        refused = await client.http.post(f"/stream/{stream}/ticket")

    async with asyncio.timeout(10), opened(issuing.server, stream, ticket) as socket:
        await socket.send(json.dumps({"type": "send", "data": 1, "ref": 1}))
        told = [await frame(socket) for _ in range(2)]

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (told[1]["type"], told[1]["problem"]["code"]) == ("error", "forbidden")
