"""How long results take to readers that read, while others do not: the same load with and without.

The readers parse next to nothing, so that what is measured is the server and not them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from tests.client import Client
from tests.product import KEY, Process
from tests.stories.stalling import stall
from tests.stories.wire import request, wire

FORMS = ("text/event-stream", "application/x-ndjson", "socket", "text/event-stream")
# More than a stalled reader and its kernel take: it stalls at once, and not some time in a phase.
HISTORY, HISTORY_BYTES = 40, 16_000
RECORD_BYTES = 1_000
MARK = b'"sent":'


class Listener(asyncio.Protocol):
    """A healthy reader, which notes how long each record took to it."""

    def __init__(self, stream: str, seconds: list[float]) -> None:
        self._stream = stream
        self._seconds = seconds
        self._rest = b""
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        headers = {"x-api-key": KEY, "Accept": "text/event-stream"}
        target = f"/stream/{self._stream}/results?from=now"
        self.transport.write(request("GET", target, headers))

    def data_received(self, data: bytes) -> None:
        self.is_open = True
        now = time.monotonic()
        came = self._rest + data
        while (at := came.find(MARK)) >= 0 and (end := came.find(b",", at)) >= 0:
            self._seconds.append(now - float(came[at + len(MARK) : end]))
            came = came[end:]
        self._rest = came[at:] if at >= 0 else came[-len(MARK) :]


@dataclass
class Load:
    """Readers and records that are the same in each phase."""

    server: Process
    streams: Sequence[str]
    client: Client
    records_per_second: float
    healthy: int
    stalled: int
    # A stalled reader is replaced after this long: beyond ten seconds it was cut off by then.
    stalled_seconds: float
    seconds: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[None]:
        """Have the healthy readers read until the block is left."""
        loop = asyncio.get_running_loop()
        address = urlsplit(self.server.url)
        listeners = [
            Listener(self.streams[number % len(self.streams)], self.seconds)
            for number in range(self.healthy)
        ]
        for listener in listeners:
            await loop.create_connection(
                lambda made=listener: made,  # type: ignore[misc]
                str(address.hostname),
                address.port or 0,
            )
        try:
            async with asyncio.timeout(30):
                while not all(listener.is_open for listener in listeners):
                    await asyncio.sleep(0.02)
            yield
        finally:
            for listener in listeners:
                listener.transport.abort()

    async def phase(self, seconds: float, *, has_stalled: bool) -> list[float]:
        """Send for so long, and return how long each record took to each healthy reader."""
        async with AsyncExitStack() as opened:
            if has_stalled:
                replacing = await opened.enter_async_context(asyncio.TaskGroup())
                slots = [replacing.create_task(self._stall(n)) for n in range(self.stalled)]
                for slot in slots:
                    opened.callback(slot.cancel)
            # Those that come are served; what follows is measured while they hang.
            await self._send(1.0)
            self.seconds.clear()
            await self._send(seconds)
        return list(self.seconds)

    async def _stall(self, number: int) -> None:
        while True:
            async with AsyncExitStack() as opened:
                stream = self.streams[number % len(self.streams)]
                await stall(opened, self.server, stream, FORMS[number % len(FORMS)])
                # Not all at the same time.
                await asyncio.sleep(self.stalled_seconds * (1 + number / self.stalled / 4))

    async def _send(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with wire(self.server.url) as peer:
            for number in range(int(seconds * self.records_per_second)):
                await asyncio.sleep(begun + number / self.records_per_second - loop.time())
                stream = self.streams[number % len(self.streams)]
                body = b'{"data":{"sent":%.6f,"filling":"%b"}}' % (
                    time.monotonic(),
                    b"x" * RECORD_BYTES,
                )
                target = f"/stream/{stream}/send"
                heard = await peer.ask(request("POST", target, {"x-api-key": KEY}, body))
                assert heard.status == 202
            await asyncio.sleep(0.5)


async def with_history(client: Client, count: int) -> list[str]:
    """Start streams that have more results than a reader that hangs can take."""
    streams = [await client.start() for _ in range(count)]
    for stream in streams:
        records = [{"data": "x" * HISTORY_BYTES}] * HISTORY
        answer = await client.http.post(f"/stream/{stream}/send", json=records)
        assert answer.json()["failed"] == 0
    return streams


def percentile(seconds: Sequence[float], share: float) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))]
