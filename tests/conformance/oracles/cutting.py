"""A network between client and server that breaks readings off at random bytes."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

HOST = "127.0.0.1"
PIECE_BYTES = 1 << 16
HEAD_END = b"\r\n\r\n"
READING = re.compile(rb"GET /stream/[^/ ]+/results[ ?]")
RETRY = re.compile(rb"(?m)^(retry: ?)(\d+)$")
RESET = struct.pack("ii", 1, 0)
# The first bytes with their `retry:` go through once: before it a browser waits 3 s.
FIRST_BYTES = 1_000
MOST_BYTES = 3_000


class Cutting:
    """Passes everything on, and cuts the first ``cuts`` readings: some by a reset, some by an end.

    Shape:   ``begun`` and ``cut_at`` have the times of readings and cuts, ``retries`` each
             ``retry:`` of the server in ms; ``has_spoken`` is set once the server said more in a
             reading than the head. Where ``is_hasty``, clients are told to wait 9 ms: what is tried
             is not their patience. ``key`` is put into the head of each reading, for clients that
             cannot do it and a server that gives no tickets.
    """

    def __init__(self, upstream: str, seed: int, cuts: int, is_hasty: bool) -> None:
        self.begun: list[float] = []
        self.retries: list[int] = []
        self.cut_at: list[float] = []
        self.has_spoken = asyncio.Event()
        self.is_down = False
        self.key = ""
        self.url = ""
        self._upstream = upstream
        self._most_cuts = cuts
        self._is_hasty = is_hasty
        self._chance = random.Random(seed)
        self._links: set[asyncio.Task[None]] = set()

    async def go_down(self) -> None:
        """Cut every connection, and take no new one until ``is_down`` is False again."""
        self.is_down = True
        for task in list(self._links):
            task.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._linked(reader, writer))
        self._links.add(task)
        task.add_done_callback(self._links.discard)
        # Here, since a task that is cancelled early never comes to a `finally`.
        task.add_done_callback(lambda _: writer.close())

    async def _linked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.is_down:
            with suppress(OSError):
                await _Link(self, writer).run(reader)

    async def to_server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        place = urlsplit(self._upstream)
        is_tls = place.scheme == "https"
        port = place.port or (443 if is_tls else 80)
        return await asyncio.open_connection(place.hostname, port, ssl=is_tls or None)

    def request(self, piece: bytes) -> bytes:
        """Return a client's bytes as they go on, addressed to the server itself."""
        for own, theirs in (
            (self.url, self._upstream),
            (urlsplit(self.url).netloc, urlsplit(self._upstream).netloc),
        ):
            piece = piece.replace(own.encode(), theirs.encode())
        if not self.key or not READING.match(piece):
            return piece
        line, rest = piece.split(b"\r\n", 1)
        return b"\r\n".join([line, b"x-api-key: " + self.key.encode(), rest])

    def answer(self, piece: bytes) -> bytes:
        self.retries += [int(found[2]) for found in RETRY.finditer(piece)]
        if not self._is_hasty:
            return piece
        # As long as before: its length was told in front of it.
        return RETRY.sub(lambda found: found[1] + b"9".rjust(len(found[2]), b"0"), piece)

    def bytes_left(self) -> int | None:
        """Return after how many bytes the reading that begins now is cut; None: it is not."""
        self.begun.append(asyncio.get_running_loop().time())
        if len(self.cut_at) >= self._most_cuts:
            return None
        least = FIRST_BYTES if len(self.begun) == 1 else 1
        return self._chance.randrange(least, MOST_BYTES)

    def is_reset(self) -> bool:
        return self._chance.random() < 0.5


class _Link:
    """One connection of a client, and the one to the server behind it."""

    def __init__(self, cutting: Cutting, client: asyncio.StreamWriter) -> None:
        self._cutting = cutting
        self._client = client
        self._left: int | None = None
        self._is_reading = False
        self._passed = b""

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Pass on both ways until either side ends, or a cut comes."""
        from_server, to_server = await self._cutting.to_server()
        ways = {
            asyncio.ensure_future(self._up(reader, to_server)),
            asyncio.ensure_future(self._down(from_server)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            to_server.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE_BYTES):
            if READING.match(piece):
                self._left, self._passed = self._cutting.bytes_left(), b""
                self._is_reading = True
            server.write(self._cutting.request(piece))
            await server.drain()

    async def _down(self, reader: asyncio.StreamReader) -> None:
        while piece := await reader.read(PIECE_BYTES):
            told = self._cutting.answer(piece)
            if self._left is not None and len(told) >= self._left:
                self._cut(told[: self._left])
                return
            if self._left is not None:
                self._left -= len(told)
            self._client.write(told)
            await self._client.drain()
            self._note(told)

    def _note(self, told: bytes) -> None:
        if self._is_reading and not self._cutting.has_spoken.is_set():
            _, _, body = (self._passed + told).partition(HEAD_END)
            if body:
                self._cutting.has_spoken.set()
        if HEAD_END not in self._passed:
            self._passed += told

    def _cut(self, last: bytes) -> None:
        self._cutting.cut_at.append(asyncio.get_running_loop().time())
        self._client.write(last)
        # An end within the head is taken for a whole answer by some: only a reset is clear there.
        if HEAD_END not in self._passed + last or self._cutting.is_reset():
            self._client.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, RESET
            )
            self._client.transport.abort()


@asynccontextmanager
async def cutting(
    upstream: str, seed: int = 0, *, cuts: int = 0, is_hasty: bool = True
) -> AsyncIterator[Cutting]:
    """Stand between clients and a server."""
    made = Cutting(upstream, seed, cuts, is_hasty)
    server = await asyncio.start_server(made.accept, HOST, 0)
    made.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        await made.go_down()
