"""A network that can fail between us and the broker: it swallows, holds back, resets or refuses."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

# pass: all goes through · hole: no byte arrives and nothing closes · deaf: requests arrive, their
# answers are lost · hold: bytes wait, as at a stopped process, and arrive when it goes on.
Mode = Literal["pass", "hole", "deaf", "hold"]

HOST = "127.0.0.1"
LENGTH = struct.Struct(">i")


class Proxy:
    """Stands before one broker and tells every client that it is the broker.

    Answers that name the broker's address are rewritten, frame by frame: clients ask for the
    cluster first and would go past us otherwise.
    """

    def __init__(self, bootstrap: str) -> None:
        self.mode: Mode = "pass"
        # Answers that still pass before it goes deaf by itself; None: it does not.
        self.answers_left: int | None = None
        self.requests = 0
        self._broker = int(bootstrap.rpartition(":")[2])
        self._port = 0
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._forgotten: set[asyncio.StreamReader] = set()
        self._readers: set[asyncio.StreamReader] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._passes = asyncio.Event()
        self._passes.set()

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self._port}"

    def switch(self, mode: Mode) -> None:
        self.mode = mode
        if mode == "hold":
            self._passes.clear()
        else:
            self._passes.set()

    @property
    def is_open(self) -> bool:
        return self._server is not None

    @property
    def port(self) -> int:
        return self._port

    def lead_to(self, bootstrap: str) -> None:
        """Stand before this broker from now on: one that had to know our port before it started."""
        self._broker = int(bootstrap.rpartition(":")[2])

    async def open(self) -> None:
        """Listen, at the same port as before."""
        self._server = await asyncio.start_server(self._accept, HOST, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def reset(self) -> None:
        """Abort every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def forget(self) -> None:
        """Let those that stand carry nothing more, as a load balancer does with idle ones.

        New ones are as they should be.
        """
        self._forgotten |= self._readers

    async def refuse(self) -> None:
        """Refuse new connections and abort those that stand."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()
        for link in self._links:
            link.cancel()
        if self._links:
            await asyncio.wait(self._links)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        link = asyncio.ensure_future(self._link(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_broker = None
        try:
            from_broker, to_broker = await asyncio.open_connection(HOST, self._broker)
            self._writers.add(to_broker)
            self._readers |= {reader, from_broker}
            ways = [self._requests(reader, to_broker), self._answers(from_broker, writer)]
            tasks = {asyncio.ensure_future(way) for way in ways}
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
        except OSError:
            pass
        finally:
            self._readers -= {reader, from_broker} if to_broker is not None else set()
            for end in filter(None, (writer, to_broker)):
                self._writers.discard(end)
                end.transport.abort()

    async def _requests(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while frame := await self._frame(source):
            if self.mode != "hole" and source not in self._forgotten:
                self.requests += 1
                target.write(frame)

    async def _answers(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        theirs, ours = _address(self._broker), _address(self._port)
        while frame := await self._frame(source):
            if self.answers_left == 0:
                self.mode, self.answers_left = "deaf", None
            if self.mode == "pass" and source not in self._forgotten:
                target.write(frame.replace(theirs, ours))
                if self.answers_left is not None:
                    self.answers_left -= 1

    async def _frame(self, source: asyncio.StreamReader) -> bytes:
        """Return the next request or answer with its length; nothing at the end."""
        try:
            head = await source.readexactly(LENGTH.size)
            # Its body stays where it is, so that a large one fills the sender's buffers.
            await self._passes.wait()
            return head + await source.readexactly(*LENGTH.unpack(head))
        except (OSError, EOFError):
            return b""


def _address(port: int) -> bytes:
    """Return host and port as they stand in an answer: a short string and an int32."""
    return struct.pack(">h", len(HOST)) + HOST.encode() + struct.pack(">i", port)


@asynccontextmanager
async def proxied(bootstrap: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(bootstrap)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.refuse()
