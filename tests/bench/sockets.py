"""WebSocket mode: one socket a stream, which sends its records and reads its results."""

import asyncio
import base64
import os
import re
from collections.abc import Sequence
from time import perf_counter
from typing import cast

from tests.bench.answers import NotHttp, parse_head
from tests.bench.connection import Asked, Nothing, Work
from tests.bench.frames import CLOSE, PING, PONG, TEXT, Frame, Frames
from tests.bench.ledger import NO_ANSWER
from tests.bench.opening import OPEN_AT_ONCE, Arrived, ReaderRefused, ignore, open_all
from tests.bench.wire import MARK, frame_head, request

ACCEPTED = 202
_SWITCHED = 101
_RECEIPT = b'{"type":"receipt"'
_REF = re.compile(rb'"ref": ?"(\d{10})"')
_STATUS = re.compile(rb'"status": ?(\d{3})')


class Socket(asyncio.Protocol):
    """One socket; it is not opened again, for what was under way on it has no answer."""

    def __init__(self, number: int, request: bytes, sockets: "Sockets") -> None:
        self.opening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number = number
        self._request = request
        self._sockets = sockets
        self._transport: asyncio.Transport | None = None
        self._under_way: set[int] = set()
        self._head: bytes | None = b""
        self._frames = Frames()

    def ask(self, asked: Asked) -> None:
        """Send a record."""
        assert self._transport is not None
        self._under_way.add(asked.number)
        self._transport.write(asked.wire)

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
            for frame in self._frames.feed(data):
                self._take(frame, now)
        except NotHttp as problem:
            self._end(str(problem))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(f"the connection broke: {exc or 'closed'}")
        self._sockets.lost(self._number)

    def _read_head(self, data: bytes) -> bytes:
        head = parse_head(data)
        if head is None:
            self._head = data
            return b""
        if head.status != _SWITCHED:
            raise NotHttp(f"{head.status} {data[head.size : head.size + 200].decode('latin-1')}")
        self._head = None
        return data[head.size :]

    def _take(self, frame: Frame, now: float) -> None:
        if frame.opcode == TEXT:
            self._read(frame.body, now)
        elif frame.opcode == PING and self._transport is not None:
            self._transport.write(frame_head(len(frame.body), PONG) + frame.body)
        elif frame.opcode == CLOSE:
            code, reason = int.from_bytes(frame.body[:2]), frame.body[2:].decode(errors="replace")
            raise NotHttp(f"closed with {code} {reason}")

    def _read(self, text: bytes, now: float) -> None:
        if not self.opening.done():
            self.opening.set_result(None)
        if mark := MARK.search(text):
            self._sockets.arrived(self._number, int(mark[1]), int(mark[2]), now)
        elif ref := _REF.search(text):
            status = ACCEPTED if text.startswith(_RECEIPT) else _status(text)
            self._finish(int(ref[1]), status, text, now)

    def _finish(self, number: int, status: int, body: bytes, now: float) -> None:
        if number in self._under_way:
            self._under_way.remove(number)
            self._sockets.work.answered(number, status, body, now)

    def _end(self, reason: str) -> None:
        if not self.opening.done():
            self.opening.set_exception(ReaderRefused(reason))
        for number in sorted(self._under_way):
            self._finish(number, NO_ANSWER, reason.encode(), perf_counter())


def _status(text: bytes) -> int:
    """Return the status of the problem in a frame."""
    found = _STATUS.search(text)
    return int(found[1]) if found else NO_ANSWER


class Sockets:
    """All sockets: senders and audience in one."""

    def __init__(self, host: str, port: int, address: str, key: str, ids: Sequence[str]) -> None:
        self.work: Work = Nothing()
        self.arrived: Arrived = ignore
        self.returns = 0
        self._host, self._port = host, port
        self._address, self._key = address, key
        self._ids = ids
        self._sockets: dict[int, Socket] = {}
        self._gate = asyncio.Semaphore(OPEN_AT_ONCE)

    def __len__(self) -> int:
        return len(self._sockets)

    async def open(self) -> None:
        """Open all, and wait for the first frame of each.

        Raises:  ReaderRefused.
        """
        await open_all(self._open, len(self._ids))

    def close(self) -> None:
        for socket in list(self._sockets.values()):
            socket.close()

    def pump(self) -> None:
        """Send all that is due: a socket takes any number of records."""
        while (asked := self.work.next()) is not None:
            if socket := self._sockets.get(asked.stream):
                socket.ask(asked)
            else:
                self.work.answered(asked.number, NO_ANSWER, b"its socket is gone", perf_counter())

    def lost(self, number: int) -> None:
        self._sockets.pop(number, None)

    async def _open(self, number: int) -> None:
        async with self._gate:
            _, socket = await asyncio.get_running_loop().create_connection(
                lambda: Socket(number, self._request(number), self), self._host, self._port
            )
            await socket.opening
            self._sockets[number] = socket

    def _request(self, number: int) -> bytes:
        nonce = base64.b64encode(os.urandom(16)).decode()
        headers = {
            "x-api-key": self._key,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": nonce,
        }
        path = f"/stream/{self._ids[number]}/results"
        return request("GET", path, self._address, headers)
