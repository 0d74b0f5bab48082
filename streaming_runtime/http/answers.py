"""Answers as plain ASGI: nothing is serialised, negotiated or copied on the way out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from streaming_runtime.core.errors import StreamingError
from streaming_runtime.http import problems

JSON = "application/json"
NDJSON = "application/x-ndjson"
EVENT_STREAM = "text/event-stream"
HTML = "text/html; charset=utf-8"
# What a refusal carries that does not pass the edge, which would add it.
PAST_THE_EDGE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Answer(ASGIResponse):
    """A status, headers and a body that is already bytes."""

    def __init__(
        self,
        body: bytes = b"",
        status: int = 200,
        media_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # Not the base's constructor: it costs more than all else on the send path.
        self.body = body
        self.status_code = status
        self.own_headers = dict(headers or {})
        if body:
            self.own_headers["Content-Type"] = media_type

    def to_asgi_response(self, **_: object) -> Answer:
        """Return itself: what Litestar asks of the answer of an exception handler."""
        return self

    def head(self) -> list[tuple[bytes, bytes]]:
        """Return the headers as ASGI has them."""
        head = [(n.lower().encode(), v.encode("latin-1")) for n, v in self.own_headers.items()]
        if self.status_code != 204:
            head.append((b"content-length", str(len(self.body)).encode()))
        return head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = self.head()
        await send({"type": "http.response.start", "status": self.status_code, "headers": head})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class StreamedAnswer(ASGIResponse):
    """A status and headers at once, then whatever ``write`` sends until it returns."""

    def __init__(
        self,
        write: Callable[[Receive, Send], Awaitable[None]],
        media_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status_code = 200
        self.own_headers = {**(headers or {}), "Content-Type": media_type}
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = [(n.lower().encode(), v.encode("latin-1")) for n, v in self.own_headers.items()]
        await send({"type": "http.response.start", "status": self.status_code, "headers": head})
        await self._write(receive, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def chunk(send: Send, body: bytes) -> None:
    """Send a piece of a streamed body; returns when the connection can take more."""
    await send({"type": "http.response.body", "body": body, "more_body": True})


def of_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(msgspec.json.encode(value), status, JSON, headers)


def of_error(
    error: StreamingError, request_id: str, extra: Mapping[str, str] | None = None
) -> Answer:
    """Return the problem document of an error, with the headers that belong to it."""
    return Answer(
        problems.encode(error, request_id),
        problems.status_of(error),
        problems.MEDIA_TYPE,
        {**(extra or {}), **problems.headers(error)},
    )
