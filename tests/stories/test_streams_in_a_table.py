"""With STREAM_REGISTRY=dynamodb two servers share streams and keys in a table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from local.ports import free_port
from tests.aws.table_server import environ_for, served_table
from tests.client import Client
from tests.eventually import until
from tests.keys.command import keys
from tests.product import Process, Product, product

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def table_url() -> Iterator[str]:
    """Give the address of an emulated DynamoDB that has the table."""
    with served_table() as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    broker: str, table_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Product]:
    environ = environ_for(table_url)
    async with product(broker, tmp_path_factory.mktemp("table"), environ) as made:
        await asyncio.gather(
            *(each.start() for each in (made.api(), made.api(), made.processing()))
        )
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def clients(running: Product) -> AsyncIterator[tuple[Client, Client]]:
    one, other = (Client(server.url) for server in running.processes[:2])
    async with one, other:
        yield one, other


async def test_a_stream_of_one_server_is_sent_to_read_listed_and_ended_on_the_other(
    clients: tuple[Client, Client],
) -> None:
    one, other = clients
    stream = await one.start(processor="uppercase", label="in a table")

    await other.send(stream, "hello")
    page = await one.page(stream, wait=20)
    listed = (await other.http.get("/streams", params={"limit": 1_000})).json()["streams"]
    ended = await other.http.post(f"/stream/{stream}/end")
    refused = await one.http.post(f"/stream/{stream}/send", json={"data": 1})

    assert [result["data"] for result in page["results"]] == ["HELLO"]
    assert {each["stream_id"]: each["label"] for each in listed}[stream] == "in a table"
    assert (ended.status_code, refused.status_code) == (202, 409)


async def test_a_key_used_on_one_server_is_known_on_the_other(
    clients: tuple[Client, Client],
) -> None:
    one, other = clients
    stream = await one.start()
    headers = {"idempotency-key": "once"}

    answers = [
        await client.http.post(f"/stream/{stream}/send", json={"data": 7}, headers=headers)
        for client in (one, other, one)
    ]
    another = await other.http.post(f"/stream/{stream}/send", json={"data": 8}, headers=headers)

    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert len({answer.json()["record_id"] for answer in answers}) == 1
    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [
        None,
        "true",
        "true",
    ]
    assert another.status_code == 422


async def test_a_key_issued_into_the_table_opens_every_server(
    running: Product, tmp_path: Path
) -> None:
    made = await asyncio.to_thread(
        keys, "add", "--tenant", "acme", cwd=tmp_path, environ=running.environ
    )
    key = made.out.strip()
    servers = running.processes[:2]
    statuses = []
    for server, sent in ((servers[0], key), (servers[1], key), (servers[0], key[:-1])):
        async with Client(server.url, sent) as client:
            statuses.append((await client.http.get("/streams")).status_code)

    assert made.code == 0, made.err
    assert statuses == [200, 200, 401]


async def test_a_stream_ends_by_itself_when_its_time_is_over(
    clients: tuple[Client, Client],
) -> None:
    one, other = clients
    stream = await one.start(ttl_seconds=1)

    last = await until(lambda: other.page(stream), lambda page: page["end"], 30)

    assert [result["kind"] for result in last["results"]] == ["end"]


async def test_without_the_table_a_request_is_refused_and_the_server_lives(
    broker: str, tmp_path: Path
) -> None:
    environ = environ_for(f"http://127.0.0.1:{free_port()}")
    async with product(broker, tmp_path, environ) as made:
        server: Process = made.api()
        await server.start()
        async with Client(server.url) as client, asyncio.timeout(20):
            refused = await client.http.post("/stream/start", json={})

        assert refused.status_code == 503
        assert refused.json()["code"] == "broker-unavailable"
        assert server.is_running
