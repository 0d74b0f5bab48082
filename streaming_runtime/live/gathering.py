"""One write for each connection in each turn of the loop: head and body leave together."""

from __future__ import annotations

import asyncio
from typing import Any

from streaming_runtime.live import kernel
from streaming_runtime.live.stalls import StallWatch

# More than this is written at once: a writer that never lets the loop turn is felt, and stopped.
GATHERED_BYTES = 16 << 10


class GatheringTransport:
    """Gathers what is written in one turn of the loop and writes it at the turn's end.

    uvicorn writes the head of an answer and its body apart, and each write is a call into the
    kernel: the two were 28 % of what a send costs. It also tells the watch on stalled peers of what
    the kernel did not take, and leaves nothing behind in the kernel. Everything else is the
    transport's own.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, stalls: StallWatch
    ) -> None:
        self.written_bytes = 0
        self._transport = transport
        self._loop = loop
        self._stalls = stalls
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

    def write_whole(self, data: bytes) -> None:
        """Write what nothing is to be gathered with, at once and behind all that was."""
        transport = self._transport
        if self._gathered or transport.is_closing():
            self.write(data)
            return
        transport.write(data)
        self.written_bytes += len(data)
        if transport.get_write_buffer_size():
            self._stalls.watch(self)

    def resume_reading(self) -> None:
        # What was read and not parsed yet comes first.
        protocol: Any = self._transport.get_protocol()
        if not protocol.on_reading_resumed():
            self._transport.resume_reading()

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        if not self._transport.is_closing():
            kernel.give_up_soon(self._transport)
        self._transport.close()

    def abort(self) -> None:
        self._gathered.clear()
        if not self._transport.is_closing() or self.unsent_bytes():
            kernel.give_up_now(self._transport)
        self._transport.abort()

    def lost(self) -> None:
        """Note that the connection is no more."""
        self._stalls.forget(self)

    def get_write_buffer_size(self) -> int:
        return self._bytes + self.unsent_bytes()

    def unsent_bytes(self) -> int:
        return self._transport.get_write_buffer_size()

    def has_arrived(self) -> bool:
        """Say whether the other side has all that was written."""
        return not self.unsent_bytes() and kernel.has_arrived(self._transport)

    def acknowledged_bytes(self) -> int:
        return kernel.acknowledged_bytes(self._transport, self.written_bytes - self.unsent_bytes())

    def _flush(self) -> None:
        gathered, self._gathered, size, self._bytes = self._gathered, [], self._bytes, 0
        if gathered and not self._transport.is_closing():
            self._transport.write(gathered[0] if len(gathered) == 1 else b"".join(gathered))
            self.written_bytes += size
            if self._transport.get_write_buffer_size():
                self._stalls.watch(self)
