import asyncio
import struct

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from local.broker_probe import serving_cluster
from local.ports import free_port


async def test_a_real_broker_tells_its_cluster(broker: str) -> None:
    host, _, port = broker.rpartition(":")
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        expected = (await admin.describe_cluster())["cluster_id"]
    finally:
        await admin.close()

    assert await serving_cluster(host, int(port)) == expected


async def test_where_nobody_listens_nobody_serves() -> None:
    assert await serving_cluster("127.0.0.1", free_port()) == ""


def answer(correlation: int, brokers: int, rest: bytes = b"") -> bytes:
    body = struct.pack(">ii", correlation, brokers) + rest
    return struct.pack(">i", len(body)) + body


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        struct.pack(">i", -5),
        answer(9_092, 0),
        answer(1, 1, b"x" * 100),
        answer(9_092, 1, b"\x00\x00\x00\x01\x00\x09cut"),
        answer(9_092, 1, b"\x00\x00\x00\x01\x00\x01\xff"),
    ],
    ids=["nothing", "http", "length", "none in service", "not asked", "cut", "not text"],
)
async def test_what_is_no_answer_of_a_broker_in_service_is_passed_over(said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        assert await serving_cluster("127.0.0.1", server.sockets[0].getsockname()[1]) == ""
