"""A reader that goes from one connection to the next, over any form, with the last id it saw."""

from __future__ import annotations

import json
from collections.abc import Mapping

from websockets.exceptions import ConnectionClosed

from tests.client import Client, Json
from tests.stories.event_bytes import EventBytes

NEVER = 1 << 30
CONTROL = ("position", "gap", "slow", "reconnect", "error", "credential-expiring", "receipt")
ENDED = 1000


class Reader:
    """One client's reading of one stream.

    Shape:   each method opens a connection at ``cursor``, reads until the server is done or until
             it has what it was asked for, and drops the connection. It returns whether the reading
             is over. ``told`` are the control events.
    """

    def __init__(self, client: Client, stream: str, cursor: str | None = None) -> None:
        self.client = client
        self.cursor = cursor
        self.results: list[Json] = []
        self.told: list[Json] = []
        self._path = f"/stream/{stream}/results"
        self._stream = stream

    async def over(
        self, form: str, most: int = NEVER, query: Mapping[str, str] | None = None
    ) -> bool:
        """Read up to ``most`` results over one of the forms by its name."""
        asked = dict(query or {})
        if form == "sse":
            return await self.sse(most=most, query=asked)
        if form == "lines":
            return await self.lines(most=most, query=asked)
        if form == "socket":
            return await self.socket(most=most, query=asked)
        return await self.page(most=most, query=asked)

    async def sse(
        self,
        *,
        most: int = NEVER,
        most_bytes: int = NEVER,
        query: Mapping[str, str] | None = None,
    ) -> bool:
        """Read events; this is the only form whose position travels in a header."""
        headers = {"accept": "text/event-stream"}
        if self.cursor is not None:
            headers["last-event-id"] = self.cursor
        until = len(self.results) + most
        async with self.client.http.stream(
            "GET", self._path, params=dict(query or {}), headers=headers
        ) as answer:
            if answer.status_code == 204:
                return True
            assert answer.status_code == 200, await answer.aread()
            stream = EventBytes()
            async for piece in answer.aiter_raw():
                for event in stream.feed(piece[:most_bytes]):
                    if event.data:
                        self._take(event.name, event.json(), event.id)
                    self.cursor = event.id or self.cursor
                    if len(self.results) >= until:
                        return False
                most_bytes -= len(piece)
                if most_bytes <= 0:
                    return False
        return self._is_over()

    async def lines(
        self,
        *,
        most: int = NEVER,
        most_bytes: int = NEVER,
        query: Mapping[str, str] | None = None,
    ) -> bool:
        """Read NDJSON."""
        until = len(self.results) + most
        async with self.client.http.stream(
            "GET", self._path, params=self._at(query), headers={"accept": "application/x-ndjson"}
        ) as answer:
            if answer.status_code == 204:
                return True
            assert answer.status_code == 200, await answer.aread()
            rest = b""
            async for piece in answer.aiter_raw():
                *lines, rest = (rest + piece[:most_bytes]).split(b"\n")
                for line in filter(None, lines):
                    parsed = json.loads(line)
                    self._take(parsed.get("control", "message"), parsed)
                    if len(self.results) >= until:
                        return False
                most_bytes -= len(piece)
                if most_bytes <= 0:
                    return False
        return self._is_over()

    async def socket(self, *, most: int = NEVER, query: Mapping[str, str] | None = None) -> bool:
        """Read frames, and vanish without a close."""
        until = len(self.results) + most
        asked = "&".join(f"{name}={value}" for name, value in self._at(query).items())
        async with self.client.socket(self._stream, f"?{asked}") as opened:
            while len(self.results) < until:
                try:
                    frame = json.loads(await opened.recv())
                except ConnectionClosed:
                    return opened.close_code == ENDED
                kind = frame.pop("type")
                self._take(kind if kind in CONTROL else "message", frame)
            opened.transport.abort()
        return False

    async def page(self, *, most: int = 100, query: Mapping[str, str] | None = None) -> bool:
        """Read one page, waiting a second for its first result."""
        # A page's limit is its size; that of a reading stands in its cursor.
        asked = {**self._at(query), "limit": max(1, min(most, 1_000)), "wait": 1}
        page = await self.client.page(self._stream, **asked)
        self.results += page["results"]
        self.cursor = page["cursor"]
        return bool(page["end"])

    def _at(self, query: Mapping[str, str] | None) -> dict[str, str]:
        """Return the query of this reading: a cursor takes the place of where it first began."""
        asked = dict(query or {})
        if self.cursor is None:
            return asked
        places = ("from", "since", "tail")
        kept = {name: value for name, value in asked.items() if name not in places}
        return {"cursor": self.cursor, **kept}

    def _take(self, name: str, found: Json, event_id: str | None = None) -> None:
        if name in CONTROL:
            self.told.append({"kind": name, **found})
            self.cursor = found.get("cursor", self.cursor)
            return
        assert event_id in (None, found["id"])
        self.results.append(found)
        self.cursor = found["id"]

    def _is_over(self) -> bool:
        """Say whether an answer that ended did so for good: an invitation to return precedes it."""
        return not (self.told and self.told[-1]["kind"] in ("slow", "reconnect", "error"))
