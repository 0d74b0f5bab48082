"""One SSE reader: finds the marks of records in the bytes, without parsing any JSON."""

import asyncio
from time import perf_counter
from typing import Protocol, cast

from tests.bench.answers import NotHttp, parse_head
from tests.bench.events import Chunks, Events, id_of
from tests.bench.opening import Arrived
from tests.bench.wire import MARK


class Audience(Protocol):
    """Who a reader reports to."""

    arrived: Arrived

    def opened(self, number: int) -> None:
        """Take note that the first bytes of the answer's body are there."""

    def refused(self, number: int, reason: str) -> None:
        """Take note that there is no such answer."""

    def lost(self, number: int, last_id: str) -> None:
        """Open another reader at ``last_id``: this one's connection has ended."""


class Reader(asyncio.Protocol):
    """Reads one stream until its connection ends."""

    def __init__(self, number: int, request: bytes, audience: Audience, last_id: str = "") -> None:
        self._number = number
        self._request = request
        self._audience = audience
        self._transport: asyncio.Transport | None = None
        self._head: bytes | None = b""  # What is there of the head, None behind it.
        self._is_open = False
        self._last = f"id: {last_id}".encode()  # An event; its id is only looked for when needed.
        self._chunks = Chunks()
        self._events = Events()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        try:
            if self._head is not None:
                data = self._read_head(self._head + data)
                if not data:
                    return
            for event in self._events.feed(self._chunks.feed(data)):
                if mark := MARK.search(event):
                    self._last = event
                    self._audience.arrived(self._number, int(mark[1]), int(mark[2]), now)
                else:
                    self._control(event)
        except NotHttp as problem:
            self._audience.refused(self._number, str(problem))
            self.close()
            return
        if self._chunks.is_over:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_open:
            self._audience.refused(self._number, f"the connection broke: {exc or 'closed'}")
        self._audience.lost(self._number, id_of(self._last))

    def _read_head(self, data: bytes) -> bytes:
        """Return what is there of the body."""
        head = parse_head(data)
        if head is None:
            self._head = data
            return b""
        if head.status != 200 or not head.is_chunked:
            raise NotHttp(f"{head.status} {data[head.size : head.size + 200].decode('latin-1')}")
        self._head = None
        return data[head.size :]

    def _control(self, event: bytes) -> None:
        if id_of(event):
            self._last = event
        if not self._is_open:
            self._is_open = True
            self._audience.opened(self._number)
