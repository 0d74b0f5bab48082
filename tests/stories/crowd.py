"""A thousand readers at the price of a few: each is a protocol that keeps what it was shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast
from urllib.parse import urlsplit

from tests.client import Json
from tests.product import KEY
from tests.stories.event_bytes import EventBytes
from tests.stories.wire import Chunks, request

OPENED_AT_ONCE = 100


class Listener(asyncio.Protocol):
    """One SSE reader, which comes back with its last id each time it is opened."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.results: list[Json] = []
        self.is_open = False
        self.status = b""
        self.told: list[str] = []
        self._last_id = ""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._head: bytes | None = b""
        self._chunks, self._events = Chunks(), EventBytes()
        headers = {"x-api-key": KEY, "Accept": "text/event-stream"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        self._transport.write(request("GET", f"/stream/{self.stream}/results", headers))

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            head, end, data = (self._head + data).partition(b"\r\n\r\n")
            if not end:
                self._head = head
                return
            self._head, self.status = None, head.split(b" ", 2)[1]
        for event in self._events.feed(self._chunks.feed(data)):
            self.is_open = True
            self._last_id = event.id
            if event.name != "message":
                self.told.append(event.name)
            elif event.data:
                self.results.append(event.json())

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Crowd:
    """Many listeners of one server."""

    def __init__(self, url: str, streams: Sequence[str]) -> None:
        self.listeners = [Listener(stream) for stream in streams]
        address = urlsplit(url)
        self._host, self._port = str(address.hostname), address.port or 0

    async def open(self, at_once: int = OPENED_AT_ONCE) -> None:
        """Connect all, ``at_once`` at the same time, each until it has its position."""
        gate = asyncio.Semaphore(at_once)

        async def connect(listener: Listener) -> None:
            async with gate:
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: listener, self._host, self._port)
                while not listener.is_open:
                    await asyncio.sleep(0.02)

        await asyncio.gather(*map(connect, self.listeners))

    def all(self, holds: Callable[[Listener], bool]) -> bool:
        return all(map(holds, self.listeners))

    def drop(self) -> None:
        for listener in self.listeners:
            listener.drop()
