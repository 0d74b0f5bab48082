"""What one connection may hold and do, over loopback, with small applications behind it."""

from __future__ import annotations

import asyncio
import json
import logging
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from litestar.types import Receive, Scope, Send

from streaming_runtime.live import protocols
from tests.eventually import eventually
from tests.live.test_request_limits import POST, echo, refused
from tests.live.test_server import Seen, asked, hello, serving

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MASK = b"\0\0\0\0"
TEXT, CLOSE, PING, CONTINUATION = 0x1, 0x8, 0x9, 0x0
FINAL = 0x80
GOODBYE = bytes([FINAL | CLOSE, 2]) + (1012).to_bytes(2, "big")
# Frames of 1,000 bytes: more than a client's kernel takes by itself.
TOLD = 100


def framed(opcode: int, data: bytes = b"", fin: int = FINAL) -> bytes:
    """Return a client's frame of up to 125 bytes, masked with zeros."""
    return bytes([fin | opcode, 0x80 | len(data)]) + MASK + data


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def test_a_stream_to_http_1_0_has_no_chunks_and_ends_with_its_connection() -> None:
    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"one ", b"two ", b""):
            await send({"type": "http.response.body", "body": piece, "more_body": bool(piece)})

    async with serving(stream) as (_, _, port):
        answer = await asked(port, b"GET / HTTP/1.0\r\n\r\n")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert body == b"one two "


async def test_a_length_is_told_to_http_1_0_where_there_is_one() -> None:
    async def sized(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello", "more_body": False})

    async with serving(sized) as (_, _, port):
        answer = await asked(port, b"GET / HTTP/1.0\r\n\r\n")

    assert b"content-length: 5" in answer
    assert answer.endswith(b"\r\n\r\nhello")


async def test_requests_sent_ahead_are_read_only_as_they_are_answered() -> None:
    release, begun = asyncio.Event(), 0

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal begun
        begun += 1
        await release.wait()
        await hello(scope, receive, send)

    count = 5_000
    async with serving(held) as (server, _, port), connection(port) as (reader, writer):
        writer.write(GET * count)
        await eventually(lambda: begun == 1)
        [peer] = server.server_state.connections
        ahead = len(peer.pipeline)  # type: ignore[union-attr]
        release.set()
        answers = b""
        async with asyncio.timeout(30):
            while answers.count(b"hello") < count:
                answers += await reader.read(1 << 16)

    # As many as one portion holds, where one read brings ten thousand.
    assert ahead <= (16 << 10) // len(GET)


async def count_frames(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept, and say how many messages came when one says so."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
    count = 0
    while (event := await receive())["type"] == "websocket.receive":
        count += 1
        if event.get("text") == "how many":
            await send({"type": "websocket.send", "bytes": None, "text": f"{count}"})


async def test_messages_are_read_only_as_they_are_taken() -> None:
    release = asyncio.Event()

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        async def waiting() -> object:
            event = await receive()
            if event["type"] == "websocket.receive":
                await release.wait()
            return event

        await count_frames(scope, waiting, send)  # type: ignore[arg-type]

    async with serving(held) as (server, _, port), connection(port) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(framed(TEXT, b"x") * 20_000 + framed(TEXT, b"how many"))
        [peer] = server.server_state.connections
        await eventually(lambda: bool(peer._held))  # type: ignore[union-attr]
        queued = peer.queue.qsize()  # type: ignore[union-attr]
        release.set()
        async with asyncio.timeout(20):
            told = await reader.readexactly(2 + len("20001"))

    assert queued <= (16 << 10) // len(framed(TEXT, b"x"))
    assert told.endswith(b"20001")


async def test_who_sends_pings_and_reads_no_answer_is_not_read_any_more() -> None:
    async with serving(count_frames) as (server, _, port), connection(port) as (reader, writer):
        writer.transport.set_write_buffer_limits(high=1 << 16)
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        [peer] = server.server_state.connections
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        pings, sent = framed(PING, b"p" * 125) * 500, 0
        tracemalloc.start()
        try:
            # Some 30 MB, most of which it must not take.
            while sent < 500:
                writer.write(pings)
                try:
                    await asyncio.wait_for(writer.drain(), 1)
                except TimeoutError:
                    break
                sent += 1
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert sent < 500
        assert peer.transport.get_write_buffer_size() < 300_000
        assert held < 2_000_000  # ours, the client's buffers, and asyncio's


async def test_pings_are_answered_and_messages_come_through_between_them() -> None:
    async with serving(count_frames) as (_, _, port), connection(port) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(50):
            writer.write(framed(PING, b"p" * 125) * 100 + framed(TEXT, b"x"))
        writer.write(framed(TEXT, b"how many"))
        pong = bytes([FINAL | 0xA, 125]) + b"p" * 125
        async with asyncio.timeout(20):
            told = await reader.readexactly(len(pong) * 5_000 + 2 + len("51"))

    assert told.count(pong) == 5_000
    assert told.endswith(b"51")


async def test_a_message_in_pieces_of_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "MAX_FRAGMENTS", 10)
    async with serving(count_frames) as (_, _, port), connection(port) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(framed(TEXT, b"x", fin=0) + framed(CONTINUATION, fin=0) * 50)
        async with asyncio.timeout(10):
            told = await reader.read()

    assert told[2:4] == (1009).to_bytes(2, "big")


@pytest.mark.parametrize(
    ("sent", "code", "label"),
    [
        (b"nonsense\r\n\r\n", "invalid-parameter", ("other", "other", 400)),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"v" * 40_000,
            "head-too-large",
            ("other", "GET", 431),
        ),
        (
            HANDSHAKE.replace(b"Version: 13", b"Version: 7"),
            "invalid-parameter",
            ("other", "GET", 400),
        ),
    ],
    ids=["no HTTP", "large head", "handshake"],
)
async def test_what_is_refused_before_it_is_a_request_is_counted_and_logged(
    sent: bytes, code: str, label: tuple[str, str, int], caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen()
    with caplog.at_level(logging.INFO, "millrace.http"):
        async with serving(hello, observer=seen) as (_, _, port):
            answer = await asked(port, sent)

    assert refused(answer) == (label[2], code)
    assert seen.codes == [code]
    assert seen.answers[0][2] == label[2] and len(seen.answers) == 1
    [line] = [record for record in caplog.records if record.message == "refused"]
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert vars(line)["reason"] == code
    assert vars(line)["request_id"] == problem["request_id"]


async def test_a_refusal_is_read_although_the_client_has_not_said_all() -> None:
    async with serving(echo) as (_, _, port), connection(port) as (reader, writer):
        writer.write(POST.replace(b"Content-Length: %d", b"Content-Length: 1, 1"))
        for _ in range(40):  # much more than is read before the refusal
            writer.write(b"x" * 65_536)
        async with asyncio.timeout(10):
            answer = await reader.read()

    assert refused(answer) == (400, "invalid-parameter")


async def test_empty_lines_do_not_keep_a_connection_for_ever() -> None:
    async with serving(hello) as (server, _, port):
        server.config.timeout_keep_alive = 1
        async with connection(port) as (reader, writer):
            writer.write(GET)
            await reader.readuntil(b"0\r\n\r\n")
            ended = asyncio.ensure_future(reader.read())

            async with asyncio.timeout(10):
                while not ended.done():
                    writer.write(b"\r\n")
                    await asyncio.sleep(0.05)

            # What was written after the close may be answered by a reset.
            with suppress(ConnectionResetError):
                assert await ended == b""


async def test_one_connection_too_many_is_dropped_and_the_others_go_on() -> None:
    seen = Seen()
    async with (
        serving(hello, observer=seen) as (server, _, port),
        connection(port) as (first, first_writer),
        connection(port) as (second, second_writer),
    ):
        await eventually(lambda: len(server.server_state.connections) == 2)
        server.server_state.most_connections = 2

        with pytest.raises(ConnectionError):
            await asked(port, GET)

        for reader, writer in ((first, first_writer), (second, second_writer)):
            writer.write(GET)
            assert b"hello" in await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 5)
        assert seen.codes == ["overloaded"]
        first_writer.transport.abort()
        await eventually(lambda: len(server.server_state.connections) == 1)
        answer = await asked(port, GET.replace(b"Host: a", b"Host: a\r\nConnection: close"))
        assert answer.startswith(b"HTTP/1.1 200")


async def test_whoever_is_kept_alive_is_told_to_go_elsewhere_when_the_server_leaves() -> None:
    async with serving(hello, drain_seconds=1.5) as (server, _, port), connection(port) as peer:
        reader, writer = peer
        writer.write(GET)
        first = await reader.readuntil(b"0\r\n\r\n")
        server.leave()
        writer.write(GET)
        last = await asyncio.wait_for(reader.read(), 5)

    assert b"connection: close" not in first.lower()
    assert last.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in last.lower()


async def test_what_was_said_to_a_socket_arrives_when_the_server_stops() -> None:
    """Although its client sends without end: closed with something unread, it would be reset."""
    said, stopping, poured = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def talk(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        for _ in range(TOLD):
            await send({"type": "websocket.send", "bytes": b"y" * 1_000, "text": None})
        said.set()
        await stopping.wait()

    async def pour(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(framed(TEXT, b"x" * 100) * 100)
            poured.set()
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(talk) as (server, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4_096)
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        pouring = asyncio.ensure_future(pour(writer))
        await asyncio.gather(said.wait(), poured.wait())
        server.leave()
        heard = b""
        async with asyncio.timeout(20):
            while not heard.endswith(GOODBYE):
                piece = await reader.read(4_096)
                assert piece, "the connection ended without a goodbye"
                heard += piece
                await asyncio.sleep(0.01)

        stopping.set()
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)
        writer.transport.abort()
    assert heard.count(b"y" * 1_000) == TOLD
