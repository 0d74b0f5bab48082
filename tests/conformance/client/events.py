"""Open readings: events, lines and frames as they come, each with a deadline."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from .answer import Answer
from .event_bytes import Event, EventBytes
from .strict_json import Json, parse_object
from .transcript import Transcript

SECONDS = 30.0
RESULTS = ("result", "failed", "end")


class Events:
    """Server-sent events of one answer."""

    def __init__(self, answer: httpx.Response, transcript: Transcript) -> None:
        self.status = answer.status_code
        self.headers = answer.headers
        self.parser = EventBytes()
        self.transcript = transcript
        self._answer = answer
        self._pieces = answer.aiter_raw()
        self._waiting: list[Event] = []

    async def answer(self) -> Answer:
        """Return the whole of an answer that must come to its end."""
        async with asyncio.timeout(SECONDS):
            body = b"".join([piece async for piece in self._pieces])
        self.transcript.came("body", body)
        return Answer(self.status, self.headers, body)

    async def piece(self) -> bytes:
        """Return the next bytes as they come; b"" at the end."""
        async with asyncio.timeout(SECONDS):
            found = await anext(self._pieces, b"")
        self.transcript.came("bytes", found)
        return found

    async def next(self) -> Event | None:
        """Return the next event, None at the end of the answer."""
        while not self._waiting:
            piece = await self.piece()
            if not piece:
                return None
            self._waiting += self.parser.feed(piece)
        return self._waiting.pop(0)

    async def must(self) -> Event:
        """Return the next event, which must come."""
        event = await self.next()
        assert event is not None, "the answer ended where an event was expected"
        return event

    async def with_data(self) -> Event:
        """Return the next event that a handler would see."""
        while not (event := await self.must()).data:
            pass
        return event

    async def rest(self) -> list[Event]:
        """Return all further events of an answer that must come to its end."""
        found: list[Event] = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found

    async def results(self, count: int) -> list[Json]:
        """Return so many results; every event with data must be one."""
        return [(await self.with_data()).json() for _ in range(count)]


class Lines:
    """NDJSON of one answer: result lines and control lines; heartbeats are counted."""

    def __init__(self, opened: Events) -> None:
        self.status = opened.status
        self.headers = opened.headers
        self.heartbeats = 0
        self._opened = opened
        self._rest = b""
        self._waiting: list[bytes] = []

    async def answer(self) -> Answer:
        return await self._opened.answer()

    async def next(self) -> Json | None:
        """Return the next line that is no heartbeat, None at the end of the answer."""
        while True:
            while self._waiting:
                if line := self._waiting.pop(0):
                    return parse_object(line)
                self.heartbeats += 1
            piece = await self._opened.piece()
            if not piece:
                assert not self._rest, f"the answer ended within a line: {self._rest[:200]!r}"
                return None
            *self._waiting, self._rest = (self._rest + piece).split(b"\n")

    async def must(self) -> Json:
        line = await self.next()
        assert line is not None, "the answer ended where a line was expected"
        return line

    async def results(self, count: int) -> list[Json]:
        """Return so many results; control lines that only tell the position are passed over."""
        found: list[Json] = []
        while len(found) < count:
            line = await self.must()
            if "control" not in line:
                found.append(line)
            else:
                assert line["control"] == "position", f"expected results, came {line}"
        return found

    async def rest(self) -> list[Json]:
        """Return all further lines of an answer that must come to its end."""
        found: list[Json] = []
        while (line := await self.next()) is not None:
            found.append(line)
        return found


class Socket:
    """One WebSocket."""

    def __init__(self, opened: ClientConnection, transcript: Transcript) -> None:
        self.opened = opened
        self._transcript = transcript

    async def say(self, frame: object) -> None:
        await self.say_raw(json.dumps(frame))

    async def say_raw(self, text: str | bytes) -> None:
        self._transcript.sent("frame", text)
        await self.opened.send(text)

    async def raw(self) -> str:
        """Return the next frame, which must be text."""
        async with asyncio.timeout(SECONDS):
            try:
                text = await self.opened.recv()
            except ConnectionClosed:
                code = self.opened.close_code
                raise AssertionError(f"closed with {code} where a frame was expected") from None
        self._transcript.came("frame", text)
        assert isinstance(text, str), "a binary frame"
        return text

    async def frame(self) -> Json:
        return parse_object(await self.raw())

    async def frames(self) -> AsyncIterator[Json]:
        """Give frames until the server closes."""
        while True:
            async with asyncio.timeout(SECONDS):
                try:
                    text = await self.opened.recv()
                except ConnectionClosed:
                    return
            self._transcript.came("frame", text)
            yield parse_object(text)

    async def of(self, *types: str) -> Json:
        """Return the next frame of these types; others are passed over."""
        while (found := await self.frame())["type"] not in types:
            pass
        return found

    async def results(self, count: int) -> list[Json]:
        """Return so many results as they would stand on a page."""
        found = []
        for _ in range(count):
            frame = await self.of(*RESULTS)
            assert frame.pop("type") == frame["kind"]
            found.append(frame)
        return found

    async def close_code(self) -> int:
        """Return the code the server closes with; frames before it are passed over."""
        async for _ in self.frames():
            pass
        code = self.opened.close_code
        self._transcript.came(f"close {code}")
        assert code is not None
        return code
