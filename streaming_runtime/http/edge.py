"""The outermost layer of HTTP: request ids, headers on every answer, figures, and the last net."""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from streaming_runtime.core.errors import StreamingError
from streaming_runtime.http import answers
from streaming_runtime.http.bodies import ClientGone
from streaming_runtime.http.services import Observer

log = logging.getLogger("millrace.http")

# Health, docs, problems and the page may be kept by a cache; nothing else may.
CACHEABLE = ("/health/", "/docs", "/schema", "/asyncapi", "/problems", "/console/")
OTHER = "other"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
CLIENT_ERROR = 400
SERVER_ERROR = 500


class Exchange:
    """One request under way: its id, and what is learned of it on the way."""

    __slots__ = ("code", "has_started", "request_id", "started", "status")

    def __init__(self) -> None:
        self.request_id = secrets.token_hex(8)
        self.started = time.perf_counter()
        self.status = 0
        self.has_started = False
        self.code: str | None = None


class Edge:
    """Wraps the application; nothing that happens inside ends without a status of ours."""

    def __init__(self, app: ASGIApp, observer: Observer) -> None:
        self._app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange()
        scope["millrace"] = exchange  # type: ignore[typeddict-unknown-key]
        fixed = _fixed_headers(scope["path"], exchange.request_id)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.has_started = True
                exchange.status = message["status"]
                message["headers"] = [*message["headers"], *fixed]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientGone:
            exchange.code = "client-gone"
        except Exception as exc:
            if exchange.has_started:
                # Too late for a status: cut the connection, so that the client sees it is broken.
                log.exception("an answer broke off", extra={"request_id": exchange.request_id})
                raise
            await self._answer_unknown(exc, exchange, scope, receive, send_with_headers)
        finally:
            self._record(scope, exchange)

    async def _answer_unknown(
        self, exc: Exception, exchange: Exchange, scope: Scope, receive: Receive, send: Send
    ) -> None:
        log.error("unexpected", extra={"request_id": exchange.request_id}, exc_info=exc)
        exchange.code = StreamingError.code
        await answers.of_error(StreamingError(), exchange.request_id)(scope, receive, send)

    def _record(self, scope: Any, exchange: Exchange) -> None:
        route = scope.get("path_template") or OTHER
        method = scope["method"] if scope["method"] in METHODS else OTHER
        seconds = time.perf_counter() - exchange.started
        self._observer.answered(route, method, exchange.status, seconds)
        if exchange.code is None:
            return
        self._observer.refused(exchange.code)
        is_ours = exchange.status >= SERVER_ERROR
        log.log(
            logging.WARNING if is_ours else logging.INFO,
            "refused",
            extra={
                "request_id": exchange.request_id,
                "route": route,
                "method": method,
                "status": exchange.status,
                "reason": exchange.code,
                "stream_id": _stream_id(scope),
            },
        )


def exchange_of(scope: Any) -> Exchange:
    found = scope["millrace"]
    assert isinstance(found, Exchange)
    return found


def _fixed_headers(path: str, request_id: str) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", request_id.encode()),
    ]
    if path != "/" and not path.startswith(CACHEABLE):
        headers.append((b"cache-control", b"no-store"))
    return headers


def _stream_id(scope: Any) -> str | None:
    return (scope.get("path_params") or {}).get("stream_id")
