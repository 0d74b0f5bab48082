"""A server of given bytes: what every parser is to read in the same way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

HOST = "127.0.0.1"
# Clients come back at once, and are told that there is no more.
FIRST = b"retry: 9\n\n"
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nConnection: close\r\nCache-Control: no-store\r\n\r\n"
)
NO_MORE = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
SMALL_BYTES = 4_000


def pieces(body: bytes, seed: int) -> Iterator[bytes]:
    """Return a body in pieces of random sizes: small ones also cut characters in two."""
    chance, at = random.Random(seed), 0
    most = 7 if len(body) < SMALL_BYTES else SMALL_BYTES
    while at < len(body):
        size = chance.randrange(1, most)
        yield body[at : at + size]
        at += size


@asynccontextmanager
async def served(body: bytes, seed: int) -> AsyncIterator[str]:
    """Give an address whose first reading has this body, and any further one 204."""
    readings = 0
    writers: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal readings
        writers.append(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"GET /stream/"):
                writer.write(HEAD % b"text/plain")
            elif readings:
                writer.write(NO_MORE)
            else:
                readings += 1
                writer.write(HEAD % b"text/event-stream")
                for piece in pieces(FIRST + body, seed):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, HOST, 0)
    try:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}/stream/vector/results"
    finally:
        server.close()
        # A browser also opens connections in advance, and says nothing on them.
        for writer in writers:
            writer.close()
