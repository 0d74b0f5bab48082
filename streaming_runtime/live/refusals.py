"""Refusals of what never became a request: answered, counted and logged like any other."""

from __future__ import annotations

import logging

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from streaming_runtime.core.errors import StreamingError
from streaming_runtime.http import problems
from streaming_runtime.http.edge import METHODS, OTHER, Exchange, new_request_id
from streaming_runtime.http.services import Observer

log = logging.getLogger("millrace.http")


class Refusals:
    """Makes the whole answer to what is refused below the application."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def answer(self, error: StreamingError, method: str, exchange: Exchange | None = None) -> bytes:
        """Return the whole answer of a refusal, behind which the connection is closed.

        Shape:  of a request whose body was being read, the exchange counts and logs it by itself.
        """
        status = problems.status_of(error)
        if exchange is not None:
            exchange.status, exchange.code = status, error.code
            return _encoded(error, status, exchange.request_id)
        request_id = new_request_id()
        method = method if method in METHODS else OTHER
        self._observer.answered(OTHER, method, status, 0.0)
        self._observer.refused(error.code)
        log.info(
            "refused",
            extra={
                "request_id": request_id,
                "route": OTHER,
                "method": method,
                "status": status,
                "reason": error.code,
            },
        )
        return _encoded(error, status, request_id)

    def count(self, error: StreamingError) -> None:
        """Count what is refused without a word."""
        self._observer.refused(error.code)


def _encoded(error: StreamingError, status: int, request_id: str) -> bytes:
    body = problems.encode(error, request_id)
    own = "".join(f"{n.lower()}: {v}\r\n" for n, v in problems.headers(error).items())
    fields = (
        f"{own}content-type: {problems.MEDIA_TYPE}\r\nx-content-type-options: nosniff\r\n"
        f"cache-control: no-store\r\nx-request-id: {request_id}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return STATUS_LINE[status] + fields.encode() + body
