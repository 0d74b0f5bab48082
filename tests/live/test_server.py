"""The server process's own behaviour, over loopback, with small applications behind it."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from litestar.types import ASGIApp, Receive, Scope, Send

from local.ports import free_port
from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.settings import HttpSettings
from streaming_runtime.http.services import Observer
from streaming_runtime.live import server as server_module
from streaming_runtime.live import stalls
from streaming_runtime.live.connections import Connections
from streaming_runtime.live.server import DrainingServer, listening
from tests.eventually import eventually
from tests.product import ROOT

ESTABLISHED_OR_CLOSING = {"01", "04", "05", "06", "08", "09", "0B"}


class Seen:
    """Keeps what a server tells of its answers."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, str, int]] = []
        self.codes: list[str] = []

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        self.answers.append((route, method, status))

    def refused(self, code: str) -> None:
        self.codes.append(code)


def settings(port: int = 0) -> HttpSettings:
    return HttpSettings("127.0.0.1", port, 0, 1, ())


@asynccontextmanager
async def serving(
    app: ASGIApp, drain_seconds: float = 0.0, observer: Observer | None = None
) -> AsyncIterator[tuple[DrainingServer, Connections, int]]:
    connections = Connections(lambda _: None)
    with listening(settings()) as listener:
        server = DrainingServer(
            app, listener, connections, drain_seconds, lambda: None, observer or Seen()
        )
        task = asyncio.ensure_future(server.serve([listener]))
        try:
            yield server, connections, listener.getsockname()[1]
        finally:
            server.leave()
            await task
            # Without an access log uvicorn takes this logger off the root, for all who come later.
            logging.getLogger("uvicorn.access").propagate = True


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello", "more_body": False})


async def flood(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1_000):
        await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def kernel_rows(port: int) -> list[str]:
    """Return the states of this machine's sockets whose local port it is."""
    rows = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    fields = [row.split() for row in rows]
    return [f[3] for f in fields if int(f[1].rpartition(":")[2], 16) == port and f[3] != "0A"]


async def test_no_banner_and_no_compression_are_sent() -> None:
    async with serving(hello) as (_, _, port):
        answer = await asked(
            port, b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        )

    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\r\nserver:" not in head
    assert b"content-encoding" not in head


async def test_what_is_no_http_gets_a_problem_and_is_closed() -> None:
    async with serving(hello) as (_, _, port):
        answer = await asked(port, b"nonsense\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in answer
    assert b'"code":"invalid-parameter"' in answer


async def test_a_peer_that_never_reads_is_aborted_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stalls, "STALL_SECONDS", 0.3)
    async with serving(flood) as (server, _, port):
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            peer.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await eventually(lambda: len(server.server_state.connections) == 1)

            await eventually(lambda: not server.server_state.connections)

            assert kernel_rows(port) == []
        await eventually(lambda: not server.server_state.tasks)


async def test_a_peer_that_reads_slowly_is_not_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalls, "STALL_SECONDS", 0.3)
    async with serving(flood) as (server, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4_096)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

        for _ in range(20):
            assert await reader.read(65_536)
            await asyncio.sleep(0.05)

        assert server.server_state.connections
        # A reset, so that neither side waits for what was never read.
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()


async def test_a_stop_ends_open_streams_within_the_window_and_then_the_server() -> None:
    left: list[str | None] = []

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with connections.opened() as connection:
            told = asyncio.Event()
            connection.interrupts(told.set)
            await send({"type": "http.response.body", "body": b"open", "more_body": True})
            await told.wait()
            left.append(connection.leaving)
        await send({"type": "http.response.body", "body": b"bye", "more_body": False})

    async with serving(endless, drain_seconds=0.3) as (server, made, port):
        connections = made
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"open")

        server.leave()
        rest = await asyncio.wait_for(reader.read(), 5)

        writer.close()
    assert left == ["restart"]
    assert b"bye" in rest


def test_an_idle_connection_is_kept_longer_than_by_the_balancer_before_it() -> None:
    """Or the balancer sends a request into a connection that is just being closed: a 502."""
    template = (ROOT / "infra" / "live.yaml").read_text(encoding="utf-8")
    [seconds] = re.findall(r'Key: idle_timeout\.timeout_seconds, Value: "(\d+)"', template)

    assert int(seconds) + 10 <= server_module.KEEP_ALIVE_SECONDS


async def test_an_idle_connection_is_closed_when_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_module, "KEEP_ALIVE_SECONDS", 0.4)
    async with serving(hello) as (_, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        loop = asyncio.get_running_loop()
        for _ in range(2):
            begun = loop.time()
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await reader.readuntil(b"0\r\n\r\n")
            await asyncio.sleep(0.2)

        assert await asyncio.wait_for(reader.read(), 5) == b""

        assert loop.time() - begun >= 0.4
        writer.close()


def test_a_taken_port_is_refused_in_words_that_name_the_variable() -> None:
    port = free_port()
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(ConfigurationInvalid, match=f"PORT .*{port}"),
        listening(settings(port)),
    ):
        pass


def test_accepted_sockets_inherit_small_send_buffers() -> None:
    with listening(settings()) as listener:
        listener.setblocking(True)
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                size = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)

    # Linux doubles what is asked for, to have room for its own bookkeeping.
    assert size <= 2 * server_module.SEND_BUFFER_BYTES
