"""What a client of others hears while it follows a stream, in one form for all of them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from ..client.strict_json import Json, parse_object
from ..client.transcript import Transcript

# Far more than anything takes, the 3 s a browser waits by itself among it.
SECONDS = 40.0


class Told(NamedTuple):
    """One event with data, or one frame, as the client gave it to its user."""

    name: str
    id: str
    data: str

    def result(self) -> Json:
        """Return the result as it would stand on a page."""
        found = parse_object(self.data)
        found.pop("type", None)
        return found


class Following:
    """The events one client gives out, in order; whoever drives the client puts them in.

    Shape:  ``code`` is the status or close code the client gave up with, where it tells one.
    """

    def __init__(self, transcript: Transcript) -> None:
        self.times_opened = 0
        self.is_closed = False
        self.code: int | None = None
        self._transcript = transcript
        self._told: deque[Told] = deque()
        self._news = asyncio.Event()

    def hear(self, message: Json) -> None:
        """Take ``{name, id, data}``, or ``{opened}``, ``{waits: code}``, ``{closed: code}``."""
        self._transcript.came("client", str(message))
        if "opened" in message:
            self.times_opened += 1
        elif "closed" in message:
            self.is_closed, self.code = True, message["closed"]
        # A socket tells its position by a frame, an event stream by an id without an event.
        elif "name" in message and message["name"] != "position":
            self._told.append(Told(message["name"], message["id"], message["data"]))
        self._news.set()

    def fail(self) -> None:
        """Say that nothing more will be heard, whatever the client meant to do."""
        self.is_closed = True
        self._news.set()

    async def next(self) -> Told | None:
        """Return what comes next, None when the client has given up for good."""
        async with asyncio.timeout(SECONDS):
            while not self._told:
                if self.is_closed:
                    return None
                self._news.clear()
                await self._news.wait()
        return self._told.popleft()

    async def take(self, count: int) -> list[Told]:
        """Return the next ``count``, which must come."""
        found: list[Told] = []
        for _ in range(count):
            told = await self.next()
            assert told is not None, f"given up with {self.code} after {len(found)} of {count}"
            found.append(told)
        return found

    async def rest(self) -> list[Told]:
        """Return all that comes until the client gives up for good."""
        found: list[Told] = []
        while (told := await self.next()) is not None:
            found.append(told)
        return found

    async def opened(self) -> None:
        """Return when the client has connected."""
        async with asyncio.timeout(SECONDS):
            while not self.times_opened:
                self._news.clear()
                await self._news.wait()
