"""A network that can fail: a port before a server, through which all bytes go as long as they may.

All of it, or only the connections that carry one topic's writes, as when a load balancer has lost
single flows from its table.

``pass``: all goes through · ``hole``: bytes vanish and nothing closes · ``deaf``: requests arrive,
answers are lost · ``hold``: bytes wait and arrive later · ``delay``: each piece comes late.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence
from typing import Literal

Mode = Literal["pass", "hole", "deaf", "hold", "delay"]
HOST = "127.0.0.1"
LENGTH = struct.Struct(">i")
# Where a Kafka request says what it asks for, and how it says that it writes.
API_KEY = slice(4, 6)
PRODUCE = b"\0\0"
DELAY_SECONDS = 0.3
PIECE_BYTES = 1 << 16
# Small, so that who reads slowly is felt by who writes, and not by us.
BUFFER_BYTES = 1 << 16


class Flow:
    """One connection; it carries a topic's writes once it has been seen to."""

    __slots__ = ("written",)

    def __init__(self) -> None:
        self.written = b""

    def see(self, request: bytes, topic: bytes) -> None:
        if request[API_KEY] == PRODUCE and topic in request:
            self.written = topic


class Link:
    """One listening port before one server's.

    Shape:   with ``renamed``, answers are Kafka's: read frame by frame, and in each the addresses
             of the brokers are replaced by those of the links before them.
    """

    def __init__(self, target: int, renamed: Sequence[tuple[bytes, bytes]] | None = None) -> None:
        self.mode: Mode = "pass"
        self.port = 0
        self._topic = b""
        self._target = target
        self._renamed = renamed
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lossy: set[asyncio.StreamWriter] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    async def open(self) -> None:
        """Listen, at the same port as before."""
        self._server = await asyncio.start_server(self._accept, HOST, self.port, limit=BUFFER_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    def switch(self, mode: Mode, topic: str = "") -> None:
        """Behave like that from now on; a connection that has lost bytes is cut, not mended.

        Shape:   with a topic only those connections do, that a record is written there on.
        """
        self.mode = mode
        self._topic = topic.encode()
        if mode == "hold":
            self._flows.clear()
        else:
            self._flows.set()
        if mode == "pass":
            for writer in self._lossy:
                writer.transport.abort()
            self._lossy.clear()

    def reset(self) -> None:
        """Abort every connection, on both sides."""
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        """Refuse new connections and abort those that stand."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _connect(self) -> socket.socket:
        peer = socket.socket()
        peer.setblocking(False)
        if self._renamed is None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        try:
            await asyncio.get_running_loop().sock_connect(peer, (HOST, self._target))
        except BaseException:
            peer.close()
            raise
        return peer

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted: socket.socket = writer.get_extra_info("socket")
        if self._renamed is None:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        self._writers.add(writer)
        task = asyncio.ensure_future(self._relay(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        flow = Flow()
        try:
            answers, target = await asyncio.open_connection(
                sock=await self._connect(), limit=BUFFER_BYTES
            )
            ends.append(target)
            self._writers.add(target)
            await self._both_ways(
                self._pump(flow, reader, target, is_answer=False),
                self._pump(flow, answers, writer, is_answer=True),
            )
        except OSError:
            pass
        finally:
            for end in ends:
                self._writers.discard(end)
                self._lossy.discard(end)
                end.transport.abort()

    async def _both_ways(self, *ways: object) -> None:
        tasks = [asyncio.ensure_future(way) for way in ways]  # type: ignore[call-overload]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _pump(
        self,
        flow: Flow,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        *,
        is_answer: bool,
    ) -> None:
        try:
            while piece := await self._piece(source, is_answer):
                if self._topic and not is_answer:
                    flow.see(piece, self._topic)
                if self._mode_of(flow) == "hold":
                    await self._flows.wait()
                mode = self._mode_of(flow)
                if mode == "hole" or (mode == "deaf" and is_answer):
                    self._lossy.add(target)
                    continue
                if mode == "delay":
                    await asyncio.sleep(DELAY_SECONDS)
                target.write(piece)
                await target.drain()
        except (OSError, EOFError):
            pass

    def _mode_of(self, flow: Flow) -> Mode:
        return self.mode if flow.written == self._topic or not self._topic else "pass"

    async def _piece(self, source: asyncio.StreamReader, is_answer: bool) -> bytes:
        if self._renamed is None:
            return await source.read(PIECE_BYTES)
        head = await source.readexactly(LENGTH.size)
        frame = head + await source.readexactly(*LENGTH.unpack(head))
        if not is_answer:
            return frame
        for theirs, ours in self._renamed:
            frame = frame.replace(theirs, ours)
        return frame


class Trunk:
    """One process' own way to all brokers: a link for each."""

    def __init__(self, brokers: Sequence[int]) -> None:
        self._renamed: list[tuple[bytes, bytes]] = []
        self.links = [Link(port, self._renamed) for port in brokers]
        self._brokers = brokers

    @property
    def bootstrap(self) -> str:
        return ",".join(f"{HOST}:{link.port}" for link in self.links)

    async def open(self) -> None:
        for link in self.links:
            await link.open()
        pairs = zip(self._brokers, self.links, strict=True)
        self._renamed += [(address(theirs), address(ours.port)) for theirs, ours in pairs]

    def switch(self, mode: Mode, topic: str = "") -> None:
        for link in self.links:
            link.switch(mode, topic)

    def reset(self) -> None:
        for link in self.links:
            link.reset()

    async def close(self) -> None:
        for link in self.links:
            await link.close()


def address(port: int) -> bytes:
    """Return host and port as they stand in Kafka's answers, behind a length of either form."""
    return HOST.encode() + struct.pack(">i", port)
