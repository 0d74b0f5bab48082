"""The last answer of a connection arrives, whatever its client is still sending."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest
from litestar.types import Receive, Scope, Send

from streaming_runtime.live import lingering, request_limits
from streaming_runtime.live.server import DrainingServer
from tests.eventually import eventually
from tests.live.test_request_limits import refused
from tests.live.test_server import hello, serving

ANSWER_BYTES = 100_000
ENDLESS = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Interrupted:
    """An application that reads a little, and answers when it is told to."""

    def __init__(self) -> None:
        self.has_begun, self.told = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        self.has_begun.set()
        await self.told.wait()
        body = b"y" * ANSWER_BYTES + b"the end"
        await send({"type": "http.response.body", "body": body, "more_body": False})


async def pour(writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while True:
            writer.write(CHUNK)
            await writer.drain()


async def all_of(reader: asyncio.StreamReader) -> bytes:
    """Read slowly, as a client does that is busy sending, until the answer ends."""
    answer = b""
    async with asyncio.timeout(20):
        while not answer.endswith(b"0\r\n\r\n"):
            piece = await reader.read(4_096)
            assert piece, "the connection was cut"
            answer += piece
            await asyncio.sleep(0.005)
    return answer


@pytest.mark.parametrize("is_begun_before", [True, False])
async def test_an_answer_in_the_midst_of_a_request_arrives_when_the_server_stops(
    is_begun_before: bool,
) -> None:
    app = Interrupted()
    async with serving(app, drain_seconds=0.2) as (server, connections, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4_096)
        if not is_begun_before:
            server.server_state.is_leaving = True
        writer.write(ENDLESS)
        pouring = asyncio.ensure_future(pour(writer))
        with connections.uploading() as upload:
            await app.has_begun.wait()
            upload.interrupts(app.told.set)
            server.leave()
            await app.told.wait()

        answer = await all_of(reader)

        pouring.cancel()
        writer.transport.abort()
    assert b"the end" in answer


async def test_who_never_closes_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "LINGER_SECONDS", 0.1)
    app = Interrupted()
    app.told.set()
    async with serving(app) as (server, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        server.server_state.is_leaving = True
        writer.write(ENDLESS + CHUNK)
        await all_of(reader)

        await eventually(lambda: not server.server_state.connections, 5)

        writer.transport.abort()


async def test_a_connection_that_was_kept_is_closed_behind_its_next_answer() -> None:
    async with serving(hello) as (server, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        before = await reader.readuntil(b"0\r\n\r\n")

        server.server_state.is_leaving = True
        writer.write(GET)
        after = await asyncio.wait_for(reader.read(), 5)

        writer.close()
    assert b"connection: close" not in before
    assert b"connection: close" in after


async def test_a_connection_is_closed_behind_a_stream_that_began_before() -> None:
    """Or its reader would come back to the server that has just sent it away."""
    app = Interrupted()
    async with serving(app) as (server, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await app.has_begun.wait()
        server.server_state.is_leaving = True
        app.told.set()

        answer = await asyncio.wait_for(reader.read(), 5)

        writer.close()
    assert b"connection: close" not in answer.partition(b"\r\n\r\n")[0]
    assert answer.endswith(b"0\r\n\r\n")


async def stop(server: DrainingServer) -> None:
    server.leave()
    await eventually(lambda: not server.server_state.connections, 10)


async def whole(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body", False):
        pass
    await hello(scope, receive, send)


async def test_a_body_that_never_comes_whole_is_refused_with_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_limits, "LAST_BODY_SECONDS", 0.1)
    async with serving(whole) as (server, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        await eventually(lambda: bool(server.server_state.tasks))
        stopping = asyncio.ensure_future(stop(server))

        answer = await asyncio.wait_for(reader.read(), 5)

        writer.close()
        await stopping
    assert refused(answer) == (503, "overloaded")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"retry-after: " in head
    assert "nothing of this request is stored" in json.loads(body)["detail"]


async def test_a_body_that_comes_while_the_server_stops_is_answered() -> None:
    async with serving(whole) as (server, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf")
        await eventually(lambda: bool(server.server_state.tasks))
        stopping = asyncio.ensure_future(stop(server))
        await eventually(lambda: not server.server_state.connections or server.should_exit)
        writer.write(b"half")

        answer = await asyncio.wait_for(reader.read(), 5)

        writer.close()
        await stopping
    assert answer.startswith(b"HTTP/1.1 200")
