"""Server-sent events in Python: httpx-sse, and the suite's own strict parser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress

import httpx
from httpx_sse import EventSource

from ..client.api import EVENT_STREAM, Api
from ..client.event_bytes import Event, EventBytes
from .driven import driven
from .following import Following

Reader = Callable[[httpx.Response], AsyncGenerator[Event]]
# What a browser waits before it was told anything else.
FIRST_RETRY_MS = 3_000


async def _by_httpx_sse(response: httpx.Response) -> AsyncGenerator[Event]:
    async with aclosing(EventSource(response).aiter_sse()) as events:
        async for event in events:
            yield Event(event.event or "message", event.data, event.id, event.retry)


async def _by_our_parser(response: httpx.Response) -> AsyncGenerator[Event]:
    parser = EventBytes()
    async for piece in response.aiter_raw():
        for event in parser.feed(piece):
            yield event


class _Reconnecting:
    """Comes back behind the last id, as the standard has it: neither library does by itself."""

    def __init__(self, api: Api, address: str, read: Reader) -> None:
        self.following = Following(api.transcript)
        self._http = api.http
        self._address = address
        self._headers = {**api.credential, "accept": EVENT_STREAM}
        self._read = read
        self._at = ""
        self._retry_ms = FIRST_RETRY_MS

    async def run(self) -> None:
        while not self.following.is_closed:
            with suppress(httpx.TransportError):
                await self._connection()
            await asyncio.sleep(self._retry_ms / 1_000)

    async def _connection(self) -> None:
        headers = self._headers | ({"last-event-id": self._at} if self._at else {})
        async with _opened(self._http, self._address, headers) as response:
            if response.status_code != 200:
                self.following.hear({"closed": response.status_code})
                return
            self.following.hear({"opened": True})
            async with aclosing(self._read(response)) as events:
                async for event in events:
                    self._take(event)

    def _take(self, event: Event) -> None:
        self._at = event.id
        if event.retry is not None:
            self._retry_ms = event.retry
        if event.data:
            self.following.hear({"name": event.name, "id": event.id, "data": event.data})


@asynccontextmanager
async def _opened(
    http: httpx.AsyncClient, address: str, headers: dict[str, str]
) -> AsyncIterator[httpx.Response]:
    sending = asyncio.ensure_future(
        http.send(http.build_request("GET", address, headers=headers), stream=True)
    )
    try:
        # A connection that is given up while it is made would never be closed.
        yield await asyncio.shield(sending)
    finally:
        with suppress(httpx.TransportError):
            await (await sending).aclose()


def by_httpx_sse(api: Api, address: str) -> AbstractAsyncContextManager[Following]:
    return _followed(_Reconnecting(api, address, _by_httpx_sse))


def by_our_parser(api: Api, address: str) -> AbstractAsyncContextManager[Following]:
    return _followed(_Reconnecting(api, address, _by_our_parser))


def _followed(client: _Reconnecting) -> AbstractAsyncContextManager[Following]:
    return driven(client.following, client.run())
