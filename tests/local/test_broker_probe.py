import asyncio
import struct

import pytest

from local.broker_probe import serves
from local.ports import free_port


async def test_a_real_broker_serves(broker: str) -> None:
    host, _, port = broker.rpartition(":")

    assert await serves(host, int(port))


async def test_where_nobody_listens_nobody_serves() -> None:
    assert not await serves("127.0.0.1", free_port())


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", struct.pack(">iii", 8, 9_092, 0)],
    ids=["nothing", "another protocol", "no broker registered yet"],
)
async def test_what_is_no_answer_of_a_broker_in_service_does_not_serve(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        assert not await serves("127.0.0.1", server.sockets[0].getsockname()[1])
