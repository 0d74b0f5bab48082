"""A client that speaks ASGI by hand: pieces of a body when it wants, answers as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from litestar.types import ASGIApp

DEADLINE_SECONDS = 10.0


def scope_of(method: str, target: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the scope of a request."""
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (name.lower().encode(), value.encode()) for name, value in (headers or {}).items()
        ],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 4_000),
        "state": {},
    }


class Conversation:
    """One request whose two directions go on at the same time.

    Shape:  ``window`` is how many pieces of the answer are taken in before the client stops
            reading, None for a client that reads everything.
    """

    def __init__(self, app: ASGIApp, scope: dict[str, Any], window: int | None = None) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.received = b""
        self._app: Any = app
        self._scope = scope
        self._up: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._came = asyncio.Condition()
        self._room = asyncio.Semaphore(1_000_000 if window is None else window)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._app(self._scope, self._up.get, self._take))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})

    def write(self, piece: bytes, is_last: bool = False) -> None:
        self._up.put_nowait({"type": "http.request", "body": piece, "more_body": not is_last})

    def leave(self) -> None:
        self._up.put_nowait({"type": "http.disconnect"})

    def read_on(self, pieces: int) -> None:
        """Make room for more pieces of the answer."""
        for _ in range(pieces):
            self._room.release()

    @property
    def unread(self) -> int:
        """Pieces of the body that the application has not asked for."""
        return self._up.qsize()

    async def lines(self, count: int) -> list[bytes]:
        """Return the first lines of the answer, as soon as they are there."""
        async with asyncio.timeout(DEADLINE_SECONDS), self._came:
            await self._came.wait_for(lambda: self.received.count(b"\n") >= count)
        return self.received.splitlines()[:count]

    async def end(self) -> None:
        """Wait for the application to be done; what it raised is raised."""
        assert self._task is not None
        async with asyncio.timeout(DEADLINE_SECONDS):
            await asyncio.shield(self._task)

    async def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        await self._room.acquire()
        async with self._came:
            self.received += message["body"]
            self._came.notify_all()
