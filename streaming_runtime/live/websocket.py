"""WebSocket on the path of results: who may open one, where it begins, how it is refused."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from litestar.types import Receive, Scope, Send
from litestar.types.asgi_types import WebSocketAcceptEvent

from streaming_runtime.core import positions
from streaming_runtime.core.audit import DENIALS, Denial, deny
from streaming_runtime.core.audit import ORIGIN as ORIGIN_DENIED
from streaming_runtime.core.errors import NotFound, StreamingError
from streaming_runtime.http.credential_expiry import CredentialExpiry
from streaming_runtime.http.edge import client_of, new_request_id
from streaming_runtime.http.heads import fields_of, query_of
from streaming_runtime.http.services import Observer, Services
from streaming_runtime.live import frames
from streaming_runtime.live.arrivals import Arrivals
from streaming_runtime.live.close_codes import ENDED, ORIGIN, code_of
from streaming_runtime.live.connections import Connections
from streaming_runtime.live.endless import Delivered
from streaming_runtime.live.first_message import ClientLeft, FirstMessages
from streaming_runtime.live.origins import is_allowed
from streaming_runtime.live.session import Session

log = logging.getLogger("millrace.live.websocket")

PATH = re.compile(r"/stream/([^/]+)/results")
ROUTE = "/stream/{stream_id}/results"
SWITCHING_PROTOCOLS = 101


class WebSocketResults:
    """An ASGI application for WebSocket connections.

    A refused upgrade is accepted and then closed with its code: a browser cannot see the status of
    a refusal, but it can see a close code.
    """

    def __init__(
        self,
        services: Services,
        arrivals: Arrivals,
        connections: Connections,
        observer: Observer,
        delivered: Delivered,
        origins: Sequence[str],
    ) -> None:
        self._services = services
        self._arrivals = arrivals
        self._connections = connections
        self._observer = observer
        self._delivered = delivered
        self._origins = origins
        self._first = FirstMessages()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (await receive())["type"] != "websocket.connect":
            return
        request_id = new_request_id()
        accept: WebSocketAcceptEvent = {
            "type": "websocket.accept",
            "subprotocol": None,
            "headers": [
                (b"x-request-id", request_id.encode()),
                (b"x-content-type-options", b"nosniff"),
                (b"cache-control", b"no-store"),
            ],
        }
        await send(accept)
        headers = fields_of(scope)
        self._observer.answered(ROUTE, "WEBSOCKET", SWITCHING_PROTOCOLS, 0.0)
        try:
            if not is_allowed(headers, self._origins):
                self._count(ORIGIN_DENIED, request_id, scope)
                await self._close(send, ORIGIN, "This origin may not open a socket here")
                return
            await self._serve(scope, headers, request_id, receive, send)
        except ClientLeft:
            return
        except StreamingError as refusal:
            self._note(refusal, request_id, scope)
            text = frames.error(refusal, request_id)
            await send({"type": "websocket.send", "bytes": None, "text": text})
            await self._close(send, code_of(refusal), refusal.code)

    async def _serve(
        self, scope: Scope, headers: dict[str, str], request_id: str, receive: Receive, send: Send
    ) -> None:
        match = PATH.fullmatch(scope["path"])
        if match is None:
            raise NotFound
        gate = self._services.gate
        came = await self._first.carried(headers, query_of(scope), receive)
        admission = await gate.enter(came.headers, "read", match[1], came.query, is_socket=True)
        await self._arrivals.turn()
        stream = await self._services.streams.owned(admission.tenant, match[1])
        start = positions.start_of(query_of(scope), headers.get("last-event-id"), is_page=False)
        cursor, gap = await self._services.readings.begin(stream, start)
        if cursor.is_reached() and gap is None:
            await self._close(send, ENDED, "ended")
            return
        await gate.open_reader(admission.tenant)
        try:
            session = Session(
                self._services,
                stream,
                admission.principal,
                request_id,
                receive,
                send,
                self._delivered,
                CredentialExpiry(admission.principal.expires_at, self._services.streams.now_ms),
                lambda refusal: self._count(refusal.code, request_id, scope),
            )
            with self._connections.opened() as connection:
                code, reason = await session.run(connection, cursor, gap)
            await self._close(send, code, reason)
        finally:
            gate.close_reader(admission.tenant)

    def _note(self, refusal: StreamingError, request_id: str, scope: Scope) -> None:
        log.info(
            "refused",
            extra={
                "request_id": request_id,
                "reason": refusal.code,
                "stream_id": _stream_id(scope),
            },
        )
        self._count(refusal.code, request_id, scope)

    def _count(self, code: str, request_id: str, scope: Scope) -> None:
        """Count a refusal, and enter it in the audit log if it was for want of a right."""
        self._observer.refused(code)
        if code in DENIALS:
            deny(Denial(code, request_id, ROUTE, client_of(scope), _stream_id(scope)))

    @staticmethod
    async def _close(send: Send, code: int, reason: str) -> None:
        if code:
            await send({"type": "websocket.close", "code": code, "reason": reason})


def _stream_id(scope: Scope) -> str | None:
    match = PATH.fullmatch(scope["path"])
    return match[1] if match else None
