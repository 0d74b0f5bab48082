"""One request and its answer as ASGI has them, with as little around them as can be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from litestar.types import ASGIApp
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from streaming_runtime.core.principals import Principal

log = logging.getLogger("millrace.live.cycle")

WITHOUT_BODY = frozenset({204, 304})
SERVER_ERROR = 500
LAST_CHUNK = b"0\r\n\r\n"
# Where the scope has what writes a part of a body without a task.
PUSHING = "millrace.pushing"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Peer(Protocol):
    """The connection that a request came over."""

    loop: asyncio.AbstractEventLoop
    transport: Any  # asyncio.Transport and what live.gathering adds.
    flow: FlowControl
    client: tuple[str, int] | None
    # The key of the last request and whose it is, for who looks it up.
    caller: tuple[bytes, Principal] | None

    def common_head(self) -> bytes:
        """Return the fields that every answer has, each with the end of its line."""

    def run(self, cycle: Cycle, app: ASGIApp) -> None:
        """Have an application answer a request."""

    def answered(self, cycle: Cycle) -> None:
        """Take note that an answer has been written to its end."""


class Cycle:
    """One exchange: what came of a request, and how far its answer is.

    uvicorn's own looks at each field of an answer with two regular expressions and keeps an event
    for each request, and it closes behind its last answer while the client may still be sending.

    Shape:   ``scope`` is None for a plain send, which needs none as long as all goes well;
             ``keep_alive`` is False for the last exchange of a connection, whose head says so;
             ``is_ahead`` as long as answers of others come first, which its own waits for.
    """

    __slots__ = (
        "_has_news",
        "_held",
        "_is_head",
        "_left",
        "_on_leave",
        "_waiter",
        "_wants_continue",
        "body",
        "disconnected",
        "is_ahead",
        "is_chunked",
        "keep_alive",
        "more_body",
        "peer",
        "response_complete",
        "response_started",
        "scope",
    )

    def __init__(self, peer: Peer, scope: Any, keep_alive: bool, wants_continue: bool) -> None:
        self.peer = peer
        self.scope = scope
        self.keep_alive = keep_alive
        self.body: bytes | bytearray = b""
        self.more_body = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.is_chunked = False
        self.is_ahead = False
        self._held: Callable[[], None] | None = None
        self._on_leave: Callable[[], None] | None = None
        self._is_head = scope is not None and scope["method"] == "HEAD"
        self._wants_continue = wants_continue
        self._has_news = False
        self._waiter: asyncio.Future[None] | None = None
        # Of an announced length, what is still to be written; None where none was announced.
        self._left: int | None = None

    def add(self, body: bytes) -> None:
        """Take the next bytes of the request's body."""
        if not self.body:
            self.body = body
        elif isinstance(self.body, bytearray):
            self.body += body
        else:
            self.body = bytearray(self.body + body)
        self.wake()

    def complete(self) -> None:
        """Take note that the request has come whole."""
        self.more_body = False
        self.wake()

    def leave(self) -> None:
        """Take note that nothing more comes, and nobody takes the answer."""
        self.disconnected = True
        self._held = None  # It holds us.
        if self._on_leave is not None:
            self._on_leave()
        self.wake()

    def tell_when_left(self, on_leave: Callable[[], None]) -> bool:
        """Have it called when the client leaves, in place of a task that waits for that.

        Shape:   False while the request is still coming: then ``receive`` tells of its end first.
        """
        if self.more_body:
            return False
        self.peer.flow.resume_reading()
        self._on_leave = on_leave
        if self.disconnected:
            on_leave()
        return True

    def wake(self) -> None:
        self._has_news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def run(self, app: ASGIApp) -> None:
        """Have the application answer; whatever it does, the client is not left waiting."""
        self.scope[PUSHING] = self
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            if not self.response_complete:
                self.peer.transport.close()
            raise
        except Exception:
            log.exception("an answer was broken off")
            await self._fail()
        else:
            if not self.response_complete and not self.disconnected:
                log.error("an application returned without a whole answer")
                await self._fail()
        finally:
            del self.scope[PUSHING]  # It holds us.
            self._on_leave = None

    async def receive(self) -> Any:
        """Give what came of the request since the last time; waits until there is something."""
        if self._wants_continue and not self.response_started:
            self.peer.transport.write(CONTINUE)
        self._wants_continue = False
        if not self.disconnected and not self.response_complete:
            self.peer.flow.resume_reading()
            if not self._has_news:
                await self._news()
            self._has_news = False
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self.body = self.body, b""
        return {"type": "http.request", "body": bytes(body), "more_body": self.more_body}

    async def send(self, message: Any) -> None:
        """Write a part of the answer; waits as long as the connection takes no more.

        Raises:  RuntimeError for what would break the framing of the answer.
        """
        if self.peer.flow.write_paused and not self.disconnected:
            await self.peer.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self._begin(message["status"], message["headers"])
        elif message["type"] == "http.response.body":
            self._write(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"No part of an answer: {message['type']}")

    def answer(self, status: int, lines: bytes, body: bytes) -> None:
        """Write a whole answer at once.

        Shape:   ``lines`` are its fields, of ours and each with its end; the length comes here.
        """
        if self.disconnected:
            return
        if self.is_ahead:
            self._held = partial(self.answer, status, lines, body)
            return
        self.response_started = True
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        head = STATUS_LINE[status] + self.peer.common_head() + lines
        self.peer.transport.write_whole(
            b"%bcontent-length: %d\r\n%b%b" % (head, len(body), end, body)
        )
        self._end()

    @property
    def takes_more(self) -> bool:
        """Say whether a part of a body without a length may be pushed now."""
        is_open = self.response_started and not (self.response_complete or self.disconnected)
        return is_open and not self.peer.flow.write_paused and not self._is_head

    def push(self, body: bytes) -> None:
        """Write such a part, which ``send`` would have done at once as well."""
        if self.is_chunked:
            body = b"%x\r\n%b\r\n" % (len(body), body)
        self.peer.transport.write_whole(body)

    def take_turn(self) -> None:
        """Answer from now on, and at once with what was held back."""
        self.is_ahead = False
        held, self._held = self._held, None
        if held is not None:
            held()

    def break_off(self) -> None:
        """Close the connection: the client sees that it has no whole answer."""
        if self.is_ahead:
            self._held = self.break_off
            return
        self.peer.transport.close()

    def leave_to(self, app: ASGIApp, scope: Any) -> None:
        """Have an application answer, as if the request came only now."""
        if self.is_ahead:
            self._held = partial(self.leave_to, app, scope)
            return
        self.scope = scope
        self.peer.run(self, app)

    async def _news(self) -> None:
        self._waiter = self.peer.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def _fail(self) -> None:
        if self.response_started:
            self.peer.transport.close()
            return
        self.keep_alive = False
        head = [(b"content-length", b"0")]
        await self.send({"type": "http.response.start", "status": SERVER_ERROR, "headers": head})
        await self.send({"type": "http.response.body"})

    def _begin(self, status: int, fields: Sequence[tuple[bytes, bytes]]) -> None:
        if self.response_started:
            raise RuntimeError("An answer has one head")
        says_close = False
        for name, value in fields:
            if name == b"content-length":
                self._left = int(value)
            elif name == b"connection" and b"close" in value.lower():
                self.keep_alive, says_close = False, True
        head = [STATUS_LINE[status], self.peer.common_head(), _lines(fields)]
        if self._left is None and not self._is_head and status not in WITHOUT_BODY:
            # HTTP/1.0 knows no chunks: the close ends the answer. Source: RFC 9112, section 6.1.
            self.is_chunked = self.scope["http_version"] != "1.0"
            if self.is_chunked:
                head.append(b"transfer-encoding: chunked\r\n")
        if not self.keep_alive and not says_close:
            head.append(b"connection: close\r\n")
        head.append(b"\r\n")
        self.response_started = True
        self.peer.transport.write(b"".join(head))

    def _write(self, body: bytes, has_more: bool) -> None:
        if not self.response_started or self.response_complete:
            raise RuntimeError("A part of an answer stands between its head and its end")
        if self._is_head:
            self._left = 0
        elif self.is_chunked:
            self._write_chunk(body, has_more)
        elif body:
            if self._left is not None:
                self._left -= len(body)
                if self._left < 0:
                    raise RuntimeError("The body of an answer is longer than its length")
            self.peer.transport.write(body)
        if not has_more:
            self._end()

    def _write_chunk(self, body: bytes, has_more: bool) -> None:
        if body:
            self.peer.transport.write(b"%x\r\n%b\r\n" % (len(body), body))
        if not has_more:
            self.peer.transport.write(LAST_CHUNK)

    def _end(self) -> None:
        if self._left:
            raise RuntimeError("The body of an answer is shorter than its length")
        self.response_complete = True
        self.wake()
        self.peer.answered(self)


def _lines(fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the lines of an answer's fields.

    Raises:  RuntimeError for a field that ends its line: the client would take the rest for ours.
    """
    lines = b"".join([b"%b: %b\r\n" % field for field in fields])
    if not lines.count(b"\n") == lines.count(b"\r") == len(fields) or b"\0" in lines:
        raise RuntimeError("A field of an answer does not end where its line does")
    return lines
