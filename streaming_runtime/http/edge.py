"""The outermost layer of HTTP: request ids, headers on every answer, figures, and the last net."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from litestar.exceptions import LitestarException
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from streaming_runtime.core.audit import DENIALS, Denial, deny
from streaming_runtime.core.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    Overloaded,
    StreamingError,
)
from streaming_runtime.http import answers
from streaming_runtime.http.bodies import ClientGone
from streaming_runtime.http.cors import Cors, Fields
from streaming_runtime.http.services import Observer
from streaming_runtime.http.time_left import seconds_left

log = logging.getLogger("millrace.http")

# Health, docs, problems and the page may be kept by a cache; nothing else may.
CACHEABLE = ("/health", "/docs", "/problems", "/console")
OTHER = "other"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
# HEAD is GET without its body. Litestar would answer OPTIONS by itself, with a 204 and without a
# credential; under a name that no route has it is refused like any other method.
ROUTED_AS = {"HEAD": "GET", "OPTIONS": "(OPTIONS)"}
BAD_REQUEST = 400
SERVER_ERROR = 500
# Nobody was there to be answered; the number is nginx's.
CLIENT_GONE = 499
BODY_END: Any = {"type": "http.response.body", "body": b"", "more_body": False}


class Exchange:
    """One request under way: its id, and what is learned of it on the way."""

    __slots__ = (
        "code",
        "is_counted",
        "is_storing",
        "method",
        "request_id",
        "started",
        "status",
    )

    def __init__(self, method: str) -> None:
        self.method = method
        self.request_id = new_request_id()
        self.started = time.perf_counter()
        self.status = 0
        self.is_counted = False
        # Whether something of it may be in Kafka by now; a route says so before it hands it over.
        self.is_storing = False
        self.code: str | None = None


def new_request_id() -> str:
    # An id, not a secret: no call into the kernel for it.
    return f"{random.getrandbits(64):016x}"


class HeadAnswered(Exception):
    """The head is out, and HEAD asks for no more: what would write the body is stopped."""


class Edge:
    """Wraps the application; nothing that happens inside ends without a status of ours."""

    def __init__(self, app: ASGIApp, observer: Observer, cors_origins: Sequence[str] = ()) -> None:
        self._app = app
        self._observer = observer
        self._cors = Cors(cors_origins) if cors_origins else None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        exchange = Exchange(method)
        if method in ROUTED_AS:
            # A copy: the server looks at its own to know whether a body may follow.
            scope = {**scope, "method": ROUTED_AS[method]}
        scope["millrace"] = exchange
        own_fields = [
            (b"x-content-type-options", b"nosniff"),
            (b"x-request-id", exchange.request_id.encode()),
        ]
        app: ASGIApp = self._app
        if self._cors is not None:
            headers = dict(scope["headers"])
            own_fields += self._cors.fields(headers)
            if method == "OPTIONS":
                app = self._cors.preflight(headers) or app

        async def noted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._send_head(message, own_fields, scope, exchange, send)
                return
            if message["type"] == "http.response.body" and message["more_body"]:
                # A stream counts when it begins: it may last for minutes.
                self._count(scope, exchange)
            await send(message)

        try:
            with suppress(HeadAnswered):
                await self._answer(app, scope, receive, noted_send, exchange)
        finally:
            self._count(scope, exchange)
            if exchange.code is not None:
                self._note_refusal(scope, exchange, exchange.code)

    async def _answer(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, exchange: Exchange
    ) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            # The server ends, or an invocation does, and nobody waits any longer.
            if exchange.status:
                raise
            left = _given_up(scope, exchange)
            exchange.code = left.code
            await answers.of_error(left, exchange.request_id)(scope, receive, send)
        except Exception as raised:
            exc = _unwrapped(raised)
            if isinstance(exc, HeadAnswered):
                return
            if isinstance(exc, ClientGone):
                # Unless it was refused below the application, and therefore left.
                exchange.code = exchange.code or "client-gone"
                return
            log.error("unexpected", extra={"request_id": exchange.request_id}, exc_info=exc)
            exchange.code = StreamingError.code
            if exchange.status:
                # Too late for a status: cut the connection, so that the client sees it is broken.
                raise
            await answers.of_error(StreamingError(), exchange.request_id)(scope, receive, send)

    async def _send_head(
        self, message: Any, own_fields: Fields, scope: Any, exchange: Exchange, send: Send
    ) -> None:
        exchange.status = message["status"]
        headers = [*message["headers"], *own_fields]
        has_policy = any(name == b"cache-control" for name, _ in headers)
        if not has_policy and not _is_cacheable(scope["path"], exchange.status):
            headers.append((b"cache-control", b"no-store"))
        message["headers"] = headers
        await send(message)
        if exchange.method == "HEAD":
            await send(BODY_END)
            raise HeadAnswered

    def _count(self, scope: Any, exchange: Exchange) -> None:
        if exchange.is_counted:
            return
        exchange.is_counted = True
        seconds = time.perf_counter() - exchange.started
        route, method, status = _labels(scope, exchange)
        self._observer.answered(route, method, status, seconds)

    def _note_refusal(self, scope: Any, exchange: Exchange, code: str) -> None:
        self._observer.refused(code)
        route, method, status = _labels(scope, exchange)
        stream_id = (scope.get("path_params") or {}).get("stream_id")
        log.log(
            logging.WARNING if status >= SERVER_ERROR else logging.INFO,
            "refused",
            extra={
                "request_id": exchange.request_id,
                "route": route,
                "method": method,
                "status": status,
                "reason": code,
                "stream_id": stream_id,
            },
        )
        if code in DENIALS:
            deny(Denial(code, exchange.request_id, route, client_of(scope), stream_id))


def _labels(scope: Any, exchange: Exchange) -> tuple[str, str, int]:
    """Return route, method and status from closed sets, whatever a client has sent."""
    method = exchange.method if exchange.method in METHODS else OTHER
    return scope.get("path_template") or OTHER, method, exchange.status or CLIENT_GONE


def client_of(scope: Any) -> str | None:
    """Return the address that a connection came from, as the server saw it."""
    client = scope.get("client")
    return str(client[0]) if client else None


def exchange_of(scope: Any) -> Exchange:
    found = scope["millrace"]
    assert isinstance(found, Exchange)
    return found


def _given_up(scope: Scope, exchange: Exchange) -> StreamingError:
    """Return what is known of a request that was cancelled."""
    if exchange.is_storing:
        return OutcomeUnknown()
    if seconds_left(scope) <= 0:
        return BrokerUnavailable("Kafka did not answer in time; nothing was stored")
    return Overloaded()


def _unwrapped(raised: BaseException) -> BaseException:
    """Return what was raised behind the head of an answer: Litestar wraps it, layer by layer."""
    while type(raised) is LitestarException and raised.__cause__ is not None:
        raised = raised.__cause__
    return raised


def _is_cacheable(path: str, status: int) -> bool:
    return status < BAD_REQUEST and (path == "/" or f"/{path.split('/')[1]}" in CACHEABLE)
