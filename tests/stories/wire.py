"""HTTP/1.1 by hand, for what no well-behaved client library would send or do."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

SECONDS = 30.0


@dataclass(frozen=True)
class Heard:
    """One answer, all of it."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)

    def code(self) -> str:
        """Return the code of the problem that this answer must be."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.json()
        assert problem["status"] == self.status
        assert problem["type"] == f"/problems/{problem['code']}"
        assert {"title", "detail", "retriable", "request_id"} <= problem.keys()
        return str(problem["code"])


class Chunks:
    """The body of a chunked answer out of pieces of any size."""

    def __init__(self) -> None:
        self.is_complete = False
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        """Return what of the body is whole."""
        self._rest += piece
        body: list[bytes] = []
        while (end := self._rest.find(b"\r\n")) >= 0:
            size = int(self._rest[:end], 16)
            after = end + 2 + size + 2
            if len(self._rest) < after:
                break
            body.append(self._rest[end + 2 : after - 2])
            self._rest = self._rest[after:]
            self.is_complete = size == 0
        return b"".join(body)


def request(
    method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> bytes:
    """Return the bytes of a request; a body brings its length with it."""
    fields = {"Host": "localhost", **(headers or {})}
    if body is not None:
        fields["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b"")


class Wire:
    """One connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def say(self, sent: bytes) -> None:
        self._writer.write(sent)
        async with asyncio.timeout(SECONDS):
            await self._writer.drain()

    async def ask(self, sent: bytes) -> Heard:
        await self.say(sent)
        return await self.hear(has_body=not sent.startswith(b"HEAD "))

    async def hear(self, has_body: bool = True) -> Heard:
        """Return the next answer; interim ones are passed over."""
        async with asyncio.timeout(SECONDS):
            head = await self.hear_head()
            while head.status < 200:
                head = await self.hear_head()
            body = await self._body(head) if has_body and head.status != 204 else b""
        return Heard(head.status, head.headers, body)

    async def hear_head(self) -> Heard:
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = [line.partition(":") for line in lines[1:-2]]
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        return Heard(int(lines[0].split()[1]), headers)

    async def hear_some(self, most: int = 1 << 16) -> bytes:
        """Return what has come, at least one byte; b"" when the other side is done."""
        async with asyncio.timeout(SECONDS):
            return await self._reader.read(most)

    async def hear_all(self) -> bytes:
        """Return all that comes until the other side closes."""
        pieces: list[bytes] = []
        with suppress(ConnectionError):
            while piece := await self.hear_some():
                pieces.append(piece)
        return b"".join(pieces)

    async def hear_chunk(self) -> bytes:
        """Return one chunk of a chunked body; b"" for the last."""
        async with asyncio.timeout(SECONDS):
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            return (await self._reader.readexactly(size + 2))[:-2]

    async def is_closed(self) -> bool:
        """Wait for the other side to close, while nothing more comes."""
        try:
            return await self.hear_some() == b""
        except ConnectionError:
            return True

    def stop_reading(self) -> None:
        """Take nothing more out of the kernel, as a program that hangs."""
        cast(asyncio.Transport, self._writer.transport).pause_reading()

    def drop(self) -> None:
        """Vanish as a client does whose machine lost its network: by a reset."""
        self._writer.transport.abort()

    async def _body(self, head: Heard) -> bytes:
        if "content-length" in head.headers:
            return await self._reader.readexactly(int(head.headers["content-length"]))
        chunks: list[bytes] = []
        while chunk := await self.hear_chunk():
            chunks.append(chunk)
        return b"".join(chunks)


@asynccontextmanager
async def wire(url: str, buffer_bytes: int | None = None) -> AsyncIterator[Wire]:
    """Connect; ``buffer_bytes`` makes the kernel hold as little as possible for us."""
    address = urlsplit(url)
    peer = socket.socket()
    peer.setblocking(False)
    if buffer_bytes is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    await asyncio.get_running_loop().sock_connect(peer, (address.hostname, address.port))
    reader, writer = await asyncio.open_connection(sock=peer, limit=buffer_bytes or 1 << 20)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()
