"""One stream of ours: send into it, end it, and read it in each of the four forms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import connect

from .answer import Answer
from .api import EVENT_STREAM, JSON, NDJSON, Api
from .events import Events, Lines, Socket
from .strict_json import Json

# Far more than anything takes: a case that waits so long has failed.
SECONDS = 30.0
NOTHING = object()


async def started(api: Api, body: dict[str, Any]) -> Stream:
    answer = await api.post("/stream/start", json.dumps(body).encode())
    return Stream(api, str(answer.ok(201)["stream_id"]))


class Stream:
    """A stream, and the client that started it or knows of it."""

    def __init__(self, api: Api, stream_id: str) -> None:
        self.api = api
        self.id = stream_id
        self.path = f"/stream/{stream_id}"
        self.results_path = f"{self.path}/results"

    def seen_by(self, api: Api) -> Stream:
        """Return the same stream in the hands of another client."""
        return Stream(api, self.id)

    async def post(self, body: bytes, **headers: str) -> Answer:
        """Post these very bytes to send; ``prefer=…`` and the like are header fields."""
        return await self.api.post(f"{self.path}/send", body, **headers)

    async def send(self, data: object) -> Json:
        """Send one record and return its receipt."""
        return (await self.post(json.dumps({"data": data}).encode())).ok(202)

    async def send_all(self, *records: object) -> list[Json]:
        """Send records one after the other and return the receipts."""
        return [await self.send(record) for record in records]

    async def end(self) -> Json:
        return (await self.api.post(f"{self.path}/end")).ok(202)

    async def look(self) -> Json:
        return (await self.api.get(self.path)).ok()

    async def page(self, **query: object) -> Json:
        """Return one page."""
        return (await self.ask_page(**query)).ok()

    async def ask_page(self, **query: object) -> Answer:
        # ``from`` is a word of Python's own.
        named = {name.rstrip("_"): value for name, value in query.items()}
        return await self.api.get(self.results_path, JSON, **named)

    async def results(self, count: int, **query: object) -> list[Json]:
        """Return the first ``count`` results, over pages, as soon as they are there."""
        found: list[Json] = []
        async with asyncio.timeout(SECONDS):
            while len(found) < count:
                page = await self.page(wait=5, **query)
                found += page["results"]
                query = {"cursor": page["cursor"]}
        return found[:count]

    async def cursor(self, behind: int = 0) -> str:
        """Return the cursor behind so many results."""
        if behind:
            return str((await self.results(behind))[-1]["id"])
        return str((await self.page(limit=1, until="now"))["cursor"])

    @asynccontextmanager
    async def events(
        self,
        *,
        at: str | None = None,
        accept: str | None = EVENT_STREAM,
        headers: dict[str, str] | None = None,
        **query: object,
    ) -> AsyncIterator[Events]:
        """Open server-sent events; ``at`` is the Last-Event-ID."""
        position = {} if at is None else {"last-event-id": at}
        async with self._opened(accept, {**position, **(headers or {})}, query) as found:
            yield found

    @asynccontextmanager
    async def lines(self, **query: object) -> AsyncIterator[Lines]:
        """Open NDJSON."""
        async with self._opened(NDJSON, {}, query) as found:
            yield Lines(found)

    @asynccontextmanager
    async def _opened(
        self, accept: str | None, headers: dict[str, str], query: dict[str, object]
    ) -> AsyncIterator[Events]:
        fields = {**self.api.credential, **headers}
        if accept is not None:
            fields["accept"] = accept
        params = {name.rstrip("_"): str(value) for name, value in query.items()}
        self.api.transcript.sent(f"GET {self.results_path} {params} {fields}")
        async with (
            asyncio.timeout(SECONDS * 2),
            self.api.http.stream(
                "GET", self.api.url + self.results_path, params=params, headers=fields
            ) as answer,
        ):
            self.api.transcript.came(f"{answer.status_code} {dict(answer.headers)}")
            yield Events(answer, self.api.transcript)

    @asynccontextmanager
    async def socket(
        self, *, headers: dict[str, str] | None = None, **query: object
    ) -> AsyncIterator[Socket]:
        """Open a WebSocket.

        Raises:  NotThere if the operator says that there are none.
        """
        self.api.target.has("websocket")
        named = {name.rstrip("_"): str(value) for name, value in query.items()}
        address = self.api.url.replace("http", "ws", 1) + self.results_path
        self.api.transcript.sent(f"upgrade {self.results_path} {named} {headers or ''}")
        async with (
            asyncio.timeout(SECONDS * 2),
            connect(
                f"{address}?{urlencode(named)}",
                additional_headers={**self.api.credential, **(headers or {})},
                compression=None,
                proxy=None,
                max_size=None,
                open_timeout=SECONDS,
                close_timeout=2,
            ) as opened,
        ):
            yield Socket(opened, self.api.transcript)
