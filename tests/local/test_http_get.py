import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from local import http_get
from local.http_get import NoAnswer, get
from local.ports import free_port


@contextlib.asynccontextmanager
async def answering(
    answer: bytes, *, closes: bool = True
) -> AsyncIterator[tuple[int, list[bytes]]]:
    asked: list[bytes] = []
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        if not closes:
            await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked
        over.set()


async def test_status_and_body_are_returned() -> None:
    async with answering(b"HTTP/1.1 503 No\r\nA: b\r\n\r\nnot\r\n\r\nyet") as (port, asked):
        assert await get("127.0.0.1", port, "/health/ready", 5) == (503, b"not\r\n\r\nyet")

    assert asked[0].startswith(b"GET /health/ready HTTP/1.0\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0\r\n", b"HTTP/1.1 abc\r\n\r\n"])
async def test_what_is_not_http_is_no_answer(answer: bytes) -> None:
    async with answering(answer) as (port, _):
        with pytest.raises(NoAnswer, match="does not speak HTTP"):
            await get("127.0.0.1", port, "/", 5)


async def test_a_silent_server_is_no_answer_after_the_time_given() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n", closes=False) as (port, _):
        with pytest.raises(NoAnswer, match="no answer"):
            await get("127.0.0.1", port, "/", 0.05)


async def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_get, "MAX_ANSWER_BYTES", 1000)
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000) as (port, _):
        with pytest.raises(NoAnswer, match="too long"):
            await get("127.0.0.1", port, "/", 5)


async def test_where_nobody_listens_it_is_another_error() -> None:
    with pytest.raises(ConnectionRefusedError):
        await get("127.0.0.1", free_port(), "/", 5)
