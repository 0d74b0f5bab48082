"""One request of an invocation: a whole body in, a whole answer out, within a time."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar.types import ASGIApp

from streaming_runtime.core.errors import BrokerUnavailable, InvalidBody, OutcomeUnknown
from streaming_runtime.http.answers import PAST_THE_EDGE, of_error
from streaming_runtime.http.edge import new_request_id
from streaming_runtime.http.time_left import limit

# Whoever is cancelled answers at once; one that cannot even do that is left behind.
GRACE_SECONDS = 0.3


async def exchanged(app: ASGIApp, scope: Any, body: bytes | None, seconds: float) -> dict[str, Any]:
    """Run one request to its end and return the whole answer as Mangum's handlers take it.

    Shape:   ``body`` is None where it could not be read, which only matters to who reads it.
    Units:   after ``seconds`` it is cancelled, and answers then with what became of it.
    Raises:  what the application raises.
    """
    limit(scope, seconds)
    talk = _Talk(body)
    task = asyncio.ensure_future(app(scope, talk.receive, talk.send))
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE_SECONDS)
    finally:
        task.cancel()
    if not task.done():
        task.add_done_callback(_look_at)
    elif not task.cancelled():
        task.result()
    return talk.answer() or _unfinished(scope["method"])


class _Talk:
    """The two directions of a request, both of them whole."""

    def __init__(self, body: bytes | None) -> None:
        self._body = body
        self._has_read = False
        self._head: dict[str, Any] = {}
        self._pieces: list[bytes] = []

    async def receive(self) -> Any:
        if self._body is None:
            raise InvalidBody("The body is not what the event says it is: base64, or text in UTF-8")
        if self._has_read:
            return {"type": "http.disconnect"}
        self._has_read = True
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._head = {"status": message["status"], "headers": message["headers"]}
        else:
            self._pieces.append(message.get("body", b""))

    def answer(self) -> dict[str, Any] | None:
        """Return what has been answered, None for nothing."""
        return {**self._head, "body": b"".join(self._pieces)} if self._head else None


def _unfinished(method: str) -> dict[str, Any]:
    """Return the answer for an application that did not end when it was told to."""
    error = OutcomeUnknown() if method == "POST" else BrokerUnavailable()
    answer = of_error(error, new_request_id(), PAST_THE_EDGE)
    return {"status": answer.status_code, "headers": answer.head(), "body": answer.body}


def _look_at(task: asyncio.Future[None]) -> None:
    """Take note of how a task ended that nobody waits for, so that asyncio does not complain."""
    if not task.cancelled():
        task.exception()
