"""A client of the API as a user would write one: start, send, and read in every form."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent
from websockets.asyncio.client import ClientConnection, connect

from tests.product import KEY

Json = dict[str, Any]


class Client:
    """Speaks to one server with one key."""

    def __init__(self, url: str, key: str = KEY) -> None:
        self.url = url
        self.headers = {"x-api-key": key}
        self.http = httpx.AsyncClient(base_url=url, headers=self.headers, timeout=30)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def start(self, **body: object) -> str:
        answer = await self.http.post("/stream/start", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["stream_id"])

    async def send(self, stream: str, data: object) -> Json:
        """Return the receipt of one record."""
        answer = await self.http.post(f"/stream/{stream}/send", json={"data": data})
        assert answer.status_code == 202, answer.text
        receipt: Json = answer.json()
        return receipt

    async def page(self, stream: str, **query: object) -> Json:
        """Return one JSON page of results."""
        answer = await self.http.get(
            f"/stream/{stream}/results",
            params={k: str(v) for k, v in query.items()},
            headers={"accept": "application/json"},
        )
        assert answer.status_code == 200, answer.text
        page: Json = answer.json()
        return page

    @asynccontextmanager
    async def events(
        self, stream: str, last_event_id: str | None = None, **query: object
    ) -> AsyncIterator[AsyncIterator[ServerSentEvent]]:
        """Open SSE; bare ids and retries are events without data."""
        headers = {"accept": "text/event-stream"}
        if last_event_id is not None:
            headers["last-event-id"] = last_event_id
        async with self.http.stream(
            "GET",
            f"/stream/{stream}/results",
            params={k: str(v) for k, v in query.items()},
            headers=headers,
        ) as response:
            assert response.status_code == 200, await response.aread()
            yield EventSource(response).aiter_sse()

    @asynccontextmanager
    async def lines(self, stream: str, **query: object) -> AsyncIterator[AsyncIterator[Json]]:
        """Open NDJSON: results and control lines, heartbeats left out."""
        async with self.http.stream(
            "GET",
            f"/stream/{stream}/results",
            params={k: str(v) for k, v in query.items()},
            headers={"accept": "application/x-ndjson"},
        ) as response:
            assert response.status_code == 200, await response.aread()

            async def parsed() -> AsyncIterator[Json]:
                async for line in response.aiter_lines():
                    if line:
                        yield json.loads(line)

            yield parsed()

    def socket(self, stream: str, query: str = "") -> connect:
        """Return a WebSocket to be opened with ``async with``."""
        address = self.url.replace("http", "ws", 1)
        return connect(
            f"{address}/stream/{stream}/results{query}",
            additional_headers=self.headers,
            compression=None,
            proxy=None,
        )


async def frame(socket: ClientConnection) -> Json:
    """Return the next frame of a socket."""
    parsed: Json = json.loads(await socket.recv())
    return parsed
