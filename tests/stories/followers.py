"""Readers by the thousand that follow a stream from server to server, over every endless form."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import quote

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from tests.product import KEY
from tests.stories.event_bytes import EventBytes
from tests.stories.wire import Chunks, request

# Until it knows better a client waits as long as a browser with a small delay of its own.
FIRST_RETRY_SECONDS = 0.5
REFUSED_RETRY_SECONDS = 0.2
OK = 200
SWITCHING_PROTOCOLS = 101

# A name (``result`` or that of a control event), its object, and where to go on behind it.
Told = tuple[str, Any, str | None]


class Form(Protocol):
    """One connection's bytes in a form: what is said first, and what is heard."""

    def opening(self, stream: str, cursor: str | None) -> bytes: ...

    def feed(self, data: bytes) -> Iterator[Told]: ...

    def reply(self) -> bytes:
        """Return what is to be written after what was fed."""


class HttpForm:
    """What SSE and NDJSON have in common: a head, and a body in chunks."""

    accept = ""

    def __init__(self) -> None:
        self._head: bytes | None = b""
        self._chunks = Chunks()

    def opening(self, stream: str, cursor: str | None) -> bytes:
        query = "" if cursor is None else f"?cursor={quote(cursor)}"
        headers = {"x-api-key": KEY, "Accept": self.accept}
        return request("GET", f"/stream/{stream}/results{query}", headers)

    def reply(self) -> bytes:
        return b""

    def body(self, data: bytes) -> bytes:
        if self._head is not None:
            head, end, data = (self._head + data).partition(b"\r\n\r\n")
            self._head = None if end else head
            assert not end or head.startswith(b"HTTP/1.1 200 "), head
            data = data if end else b""
        return self._chunks.feed(data)


class Sse(HttpForm):
    accept = "text/event-stream"

    def __init__(self) -> None:
        super().__init__()
        self._events = EventBytes()

    def feed(self, data: bytes) -> Iterator[Told]:
        for event in self._events.feed(self.body(data)):
            found = event.json() if event.data else {}
            name = event.name if event.data else "position"
            yield ("result" if name == "message" else name), found, event.id or None


class Lines(HttpForm):
    accept = "application/x-ndjson"

    def __init__(self) -> None:
        super().__init__()
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Told]:
        *lines, self._rest = (self._rest + self.body(data)).split(b"\n")
        for line in filter(None, lines):
            found = json.loads(line)
            yield told(found.pop("control", "result"), found)


class Socket:
    def __init__(self) -> None:
        self._protocol = ClientProtocol(parse_uri("ws://localhost/"))

    def opening(self, stream: str, cursor: str | None) -> bytes:
        query = "" if cursor is None else f"?cursor={quote(cursor)}"
        self._protocol = ClientProtocol(parse_uri(f"ws://localhost/stream/{stream}/results{query}"))
        asked = self._protocol.connect()
        asked.headers["x-api-key"] = KEY
        self._protocol.send_request(asked)
        return self.reply()

    def feed(self, data: bytes) -> Iterator[Told]:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                assert event.status_code == SWITCHING_PROTOCOLS, event
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                found = json.loads(bytes(event.data))
                yield told(found.pop("type"), found)

    def reply(self) -> bytes:
        return b"".join(self._protocol.data_to_send())


def told(name: str, found: Any) -> Told:
    return name, found, found.get("id" if name == "result" else "cursor")


FORMS: tuple[type[Form], ...] = (Sse, Lines, Socket)


class Follower:
    """Reads the numbers 0, 1, 2, … of one stream, from whichever server there is.

    Shape:   it keeps no results, only what is wrong with them: ``lost`` and ``repeated`` count
             numbers, ``cuts`` the connections that ended without a word, ``told`` every control
             event that is none of an ordinary restart, ``opened_at`` when it came back.
    """

    def __init__(self, form: type[Form], stream: str, ports: Sequence[int]) -> None:
        self.stream = stream
        self.next_number = 0
        self.lost = self.repeated = self.cuts = 0
        self.told: list[Any] = []
        self.opened_at: list[float] = []
        self.port = 0
        self.is_open = False
        self._form = form
        self._ports = ports
        self._cursor: str | None = None
        self._retry_seconds = FIRST_RETRY_SECONDS

    async def run(self) -> None:
        """Follow for ever."""
        loop = asyncio.get_running_loop()
        while True:
            # As behind a balancer, any server but the one that has just sent it away.
            self.port = random.choice([port for port in self._ports if port != self.port])
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(REFUSED_RETRY_SECONDS)
                continue
            self.opened_at.append(loop.time())
            try:
                await self._follow(reader, writer)
            finally:
                self.is_open = False
                writer.transport.abort()
            await asyncio.sleep(self._retry_seconds)

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        form = self._form()
        writer.write(form.opening(self.stream, self._cursor))
        was_told = False
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                for name, found, cursor in form.feed(data):
                    self._cursor = cursor or self._cursor
                    was_told = self._take(name, found) or was_told
                if reply := form.reply():
                    writer.write(reply)
        self.cuts += not was_told

    def _take(self, name: str, found: Any) -> bool:
        """Note one event; return whether it is the server's goodbye."""
        self.is_open = True
        if name == "result":
            number = found["data"]
            self.lost += max(0, number - self.next_number)
            self.repeated += number < self.next_number
            self.next_number = max(self.next_number, number + 1)
        elif name == "reconnect":
            self._retry_seconds = found["retry_ms"] / 1_000
            return True
        elif name != "position":
            self.told.append((name, found))
        return False
