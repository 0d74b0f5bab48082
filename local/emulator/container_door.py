"""Hands a request on to the live container, and lets both sides talk until one has had enough."""

import asyncio
from contextlib import suppress

from local.emulator.http_server import READ_BYTES, TAKEN, Reply, Request, Taken
from local.ports import LOOPBACK

NOT_THERE = b'{"message":"Service Unavailable"}'


async def hand_on(
    port: int, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Reply | Taken:
    """Connect client and container; 503 if the container cannot be reached.

    An answer that streams has no other end than the end of its connection, so each request gets a
    connection of its own: the next one of this client may be a function's again.
    """
    try:
        from_container, to_container = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return Reply(503, NOT_THERE, [("Content-Type", "application/json")])
    try:
        to_container.write(_head(request) + request.body + request.rest)
        answering = asyncio.ensure_future(_copy(from_container, writer))
        asking = asyncio.ensure_future(_copy(reader, to_container))
        # A client that only stops sending still reads; one that is gone ends both.
        await asyncio.wait({answering, asking}, return_when=asyncio.FIRST_COMPLETED)
        for one in (answering, asking):
            one.cancel()
        await asyncio.wait({answering, asking})
    finally:
        to_container.transport.abort()
    return TAKEN


def is_upgrade(request: Request) -> bool:
    """Say whether a client asks for a WebSocket."""
    return request.header("upgrade").lower() == "websocket"


def _head(request: Request) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    dropped = {"transfer-encoding", "content-length"}
    if not is_upgrade(request):
        dropped.add("connection")
    lines += [f"{n}: {v}" for n, v in request.headers if n.lower() not in dropped]
    if not is_upgrade(request):
        lines.append("Connection: close")
    if request.body or request.header("content-length"):
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(READ_BYTES):
            target.write(piece)
            await target.drain()
