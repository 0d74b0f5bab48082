"""The application: any set of routers behind one edge, with one way to answer an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Request
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler

from streaming_runtime.core import errors
from streaming_runtime.core.errors import StreamingError
from streaming_runtime.http import answers
from streaming_runtime.http.edge import Edge, exchange_of
from streaming_runtime.http.services import Observer, Services

REQUEST_HEADERS = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "last-event-id",
    "prefer",
    "traceparent",
    "x-api-key",
]
READABLE_HEADERS = [
    "idempotent-replayed",
    "preference-applied",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "x-request-id",
]
# Litestar's own refusals, by status; what is not here is a fault of ours.
FRAMEWORK: dict[int, type[StreamingError]] = {
    400: errors.InvalidParameter,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.BatchTooLarge,
}


def create_app(
    routers: Sequence[ControllerRouterHandler],
    services: Services,
    observer: Observer,
    cors_origins: Sequence[str] = (),
) -> Edge:
    """Return an ASGI application that serves ``routers`` and nothing else."""
    app = Litestar(
        route_handlers=routers,
        state=State({"services": services}),
        exception_handlers={
            StreamingError: _answer_ours,
            HTTPException: _answer_framework,
            Exception: _raise,
        },
        cors_config=_cors(cors_origins),
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,  # each route has a limit of its own, with its own problem
    )
    return Edge(app, observer)


def _cors(origins: Sequence[str]) -> CORSConfig | None:
    if not origins:
        return None
    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST"],
        allow_headers=REQUEST_HEADERS,
        expose_headers=READABLE_HEADERS,
        max_age=600,
    )


def _answer_ours(request: Request[Any, Any, Any], error: StreamingError) -> answers.Answer:
    exchange = exchange_of(request.scope)
    exchange.code = error.code
    return answers.of_error(error, exchange.request_id)


def _answer_framework(request: Request[Any, Any, Any], error: HTTPException) -> answers.Answer:
    ours = FRAMEWORK.get(error.status_code)
    if ours is None:
        raise error
    ready = ours()
    if allow := (error.headers or {}).get("allow") or (error.headers or {}).get("Allow"):
        ready.headers["Allow"] = allow
    return _answer_ours(request, ready)


def _raise(_: Request[Any, Any, Any], error: Exception) -> answers.Answer:
    raise error
