"""Who does not read is cut off in time, whatever little waits for it; who reads is not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from litestar.types import Receive, Scope, Send

from streaming_runtime.live import kernel, stalls
from streaming_runtime.live.stalls import StallWatch
from tests.eventually import eventually
from tests.live.test_server import kernel_rows, serving

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
# What the kernel takes of one answer while its peer takes nothing is less than this.
FILLING = 400_000


class Peer:
    """A connection in numbers: nobody could make a kernel do these on demand."""

    def __init__(self) -> None:
        self.written_bytes = 0
        self.unsent = 0
        self.acknowledged = 0
        self.is_aborted = False

    def write(self, count: int) -> None:
        self.written_bytes += count
        self.unsent += count

    def unsent_bytes(self) -> int:
        return self.unsent

    def acknowledged_bytes(self) -> int:
        return self.acknowledged

    def abort(self) -> None:
        self.is_aborted = True
        self.unsent = 0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalls, "STALL_SECONDS", 0.4)
    monkeypatch.setattr(stalls, "LOOK_SECONDS", 0.05)


@contextmanager
def hanging_peer(port: int) -> Iterator[socket.socket]:
    """Ask for an answer, and read none of it."""
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        peer.sendall(GET)
        yield peer


async def test_a_peer_that_takes_nothing_is_aborted_in_time() -> None:
    watch, peer = StallWatch(asyncio.get_running_loop()), Peer()
    peer.write(10)
    begun = asyncio.get_running_loop().time()

    watch.watch(peer)
    await eventually(lambda: peer.is_aborted)

    took = asyncio.get_running_loop().time() - begun
    assert took >= stalls.STALL_SECONDS
    # Two looks late at most, and what a busy machine adds.
    assert took < stalls.STALL_SECONDS + 2 * stalls.LOOK_SECONDS + 1.0


async def test_what_is_written_to_a_peer_that_takes_nothing_is_no_progress() -> None:
    watch, peer = StallWatch(asyncio.get_running_loop()), Peer()

    async with asyncio.timeout(10):
        while not peer.is_aborted:
            peer.write(10)
            watch.watch(peer)
            await asyncio.sleep(0.02)


async def test_a_peer_that_takes_less_than_it_must_is_aborted() -> None:
    watch, peer = StallWatch(asyncio.get_running_loop()), Peer()
    peer.write(100_000)
    watch.watch(peer)

    async with asyncio.timeout(10):
        while not peer.is_aborted:
            peer.unsent -= 1
            peer.acknowledged += 1
            await asyncio.sleep(0.02)


async def test_a_slow_peer_that_takes_enough_is_not_aborted() -> None:
    watch, peer = StallWatch(asyncio.get_running_loop()), Peer()
    peer.write(1 << 30)
    watch.watch(peer)
    ends = asyncio.get_running_loop().time() + 4 * stalls.STALL_SECONDS

    while asyncio.get_running_loop().time() < ends:
        # Measured by the clock: a busy machine sleeps longer than it is told.
        peer.acknowledged = int((4 << 10) * asyncio.get_running_loop().time())
        await asyncio.sleep(0.02)

    assert not peer.is_aborted
    watch.forget(peer)


async def test_a_peer_that_always_has_something_new_waiting_is_not_aborted() -> None:
    watch, peer = StallWatch(asyncio.get_running_loop()), Peer()
    ends = asyncio.get_running_loop().time() + 3 * stalls.STALL_SECONDS

    while asyncio.get_running_loop().time() < ends:
        peer.unsent = 0  # the little that waited has left
        peer.write(10)
        watch.watch(peer)
        await asyncio.sleep(stalls.LOOK_SECONDS / 4)

    assert not peer.is_aborted
    watch.forget(peer)


async def answer_and_wait(scope: Scope, receive: Receive, send: Send) -> None:
    """Write more than the kernel takes and less than makes a writer wait; then nothing more."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * FILLING, "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


async def answer_and_close(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * FILLING, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def test_a_peer_is_aborted_although_nothing_more_is_written_to_it() -> None:
    async with serving(answer_and_wait) as (server, _, port):
        with hanging_peer(port):
            await eventually(lambda: bool(server.server_state.tasks))

            await eventually(lambda: not server.server_state.connections)

            assert kernel_rows(port) == []
        await eventually(lambda: not server.server_state.tasks)


async def test_a_close_does_not_wait_for_a_peer_that_reads_nothing() -> None:
    async with serving(answer_and_close) as (server, _, port):
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            peer.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            await eventually(lambda: bool(server.server_state.connections))

            await eventually(lambda: not server.server_state.connections)

            assert kernel_rows(port) == []


async def small_answer(scope: Scope, receive: Receive, send: Send) -> None:
    """All of it is in the kernel's hands before the close."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * 40_000, "more_body": False})


async def test_the_kernel_does_not_wait_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "CLOSING_MS", 1_000)
    async with serving(small_answer) as (server, _, port):
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            peer.connect(("127.0.0.1", port))
            peer.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            await eventually(lambda: kernel_rows(port) == ["04"])  # FIN_WAIT1
            assert not server.server_state.connections

            # Without a bound it would stay for two minutes: the kernel probes, and is answered.
            await eventually(lambda: kernel_rows(port) == [], 6)
