"""A WebSocket in Python: the library ``websockets``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qsl, urlencode, urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidHandshake

from ..client.api import Api
from .driven import driven
from .following import SECONDS, Following

# The others are: come back with the cursor.
FINAL = {1000, 4400, 4401, 4403, 4404}
PAUSE_SECONDS = 0.01


class _Reconnecting:
    """Comes back at the last cursor until the server closes for good."""

    def __init__(self, api: Api, address: str) -> None:
        self.following = Following(api.transcript)
        self._address = urlsplit(address)
        self._headers = api.credential
        self._at: str | None = None

    async def run(self) -> None:
        while not self.following.is_closed:
            with suppress(OSError, InvalidHandshake, ConnectionClosedError):
                await self._connection()
            await asyncio.sleep(PAUSE_SECONDS)

    async def _connection(self) -> None:
        async with connect(
            self._place(),
            additional_headers=self._headers,
            compression=None,
            proxy=None,
            max_size=None,
            open_timeout=SECONDS,
            close_timeout=2,
        ) as socket:
            self.following.hear({"opened": True})
            try:
                async for text in socket:
                    self._take(str(text))
            finally:
                if socket.close_code in FINAL:
                    self.following.hear({"closed": socket.close_code})

    def _take(self, text: str) -> None:
        frame = json.loads(text)
        self._at = frame.get("id") or frame.get("cursor") or self._at
        self.following.hear({"name": frame["type"], "id": frame.get("id", ""), "data": text})

    def _place(self) -> str:
        query = dict(parse_qsl(self._address.query))
        if self._at is not None:
            query.pop("from", None)
            query["cursor"] = self._at
        scheme = self._address.scheme.replace("http", "ws")
        return self._address._replace(scheme=scheme, query=urlencode(query)).geturl()


@asynccontextmanager
async def by_websockets(api: Api, address: str) -> AsyncIterator[Following]:
    """Follow over a WebSocket.

    Raises:  NotThere if the operator says that there are none.
    """
    api.target.has("websocket")
    reconnecting = _Reconnecting(api, address)
    async with driven(reconnecting.following, reconnecting.run()) as following:
        yield following
