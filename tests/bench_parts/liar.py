"""A server that looks like the product and breaks one promise, once, when told to.

It proves that the measurement notices; nothing else is tested with it.
"""

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator
from typing import Literal, cast

Lie = Literal[
    "none", "loses", "repeats", "reorders", "refuses", "breaks", "hangs", "misdelivers", "cuts"
]
LIE_AT = 30  # The request of all it takes that is treated so.
_LENGTH = re.compile(rb"Content-Length: (\d+)")
_LAST_ID = re.compile(rb"Last-Event-ID: 1\.(\d+)")


class Liar:
    """The streams: for each what was sent, and who reads it."""

    def __init__(self, lie: Lie) -> None:
        self.records: list[list[bytes]] = []
        self.readers: dict[int, Connection] = {}
        self._lie = lie
        self._taken = 0
        self._held: tuple[int, bytes] | None = None

    def start(self) -> int:
        self.records.append([])
        return len(self.records) - 1

    def send(self, stream: int, records: list[bytes], connection: "Connection") -> None:
        """Take the records of a request; answer and deliver them, or not."""
        self._taken += 1
        lie = self._lie if self._taken == LIE_AT else "none"
        if lie == "refuses":
            connection.answer(503, b'{"code":"overloaded"}')
        elif lie == "breaks":
            connection.transport.abort()
        elif lie != "hangs":
            status = 202 if len(records) == 1 else 207
            connection.answer(status, b'{"accepted":%d,"failed":0}' % len(records))
            for data in records:
                self._deliver(stream, data, lie)

    def _deliver(self, stream: int, data: bytes, lie: Lie) -> None:
        if lie == "loses":
            return
        if lie == "reorders":
            self._held = stream, data
            return
        if lie == "misdelivers":
            stream = (stream + 1) % len(self.records)
        for _ in range(2 if lie == "repeats" else 1):
            self._append(stream, data)
        if self._held is not None and self._held[0] == stream:
            (_, data), self._held = self._held, None
            self._append(stream, data)
        if lie == "cuts":
            self.readers.pop(stream).transport.abort()

    def _append(self, stream: int, data: bytes) -> None:
        self.records[stream].append(data)
        if reader := self.readers.get(stream):
            reader.event(stream, len(self.records[stream]), data)


class Connection(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, liar: Liar) -> None:
        self._liar = liar
        self._rest = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            head = self._rest[:end]
            found = _LENGTH.search(head)
            size = end + 4 + (int(found[1]) if found else 0)
            if len(self._rest) < size:
                return
            body, self._rest = self._rest[end + 4 : size], self._rest[size:]
            self._take(head, body)

    def answer(self, status: int, body: bytes) -> None:
        head = b"HTTP/1.1 %d Answered\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
        self.transport.write(head + body)

    def event(self, stream: int, number: int, data: bytes) -> None:
        result = b'{"id":"1.%d","stream_id":"%d","data":%b}' % (number, stream, data)
        self._chunk(b"id: 1.%d\ndata: %b\n\n" % (number, result))

    def _take(self, head: bytes, body: bytes) -> None:
        parts = head.split(b" ", 2)[1].decode().split("/")
        if parts[-1] == "start":
            self.answer(201, json.dumps({"stream_id": str(self._liar.start())}).encode())
        elif parts[-1] == "results":
            found = _LAST_ID.search(head)
            self._read(int(parts[2]), int(found[1]) if found else 0)
        else:
            self._liar.send(int(parts[2]), re.findall(rb'"data":("[^"]*")', body), self)

    def _read(self, stream: int, position: int) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        self._chunk(b"retry: 1000\nid: 1.%d\n\n" % position)
        self._liar.readers[stream] = self
        for number, data in enumerate(self._liar.records[stream][position:], position + 1):
            self.event(stream, number, data)

    def _chunk(self, body: bytes) -> None:
        self.transport.write(b"%x\r\n%b\r\n" % (len(body), body))


@contextlib.asynccontextmanager
async def lying(lie: Lie, port: int = 0) -> AsyncIterator[int]:
    """Give the port of a server that tells ``lie``."""
    liar = Liar(lie)
    connections: list[Connection] = []

    def connected() -> Connection:
        connections.append(Connection(liar))
        return connections[-1]

    server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in connections:
            connection.transport.abort()
        await server.wait_closed()


async def _serve(port: int) -> None:
    """Keep all promises until ended, as a program of somebody else's would."""
    async with lying("none", port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(os.environ["PORT"])))
