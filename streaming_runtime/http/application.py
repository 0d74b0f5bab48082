"""The application: any set of routers behind one edge, with one way to answer an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler, ExceptionHandlersMap

from streaming_runtime.core import errors
from streaming_runtime.core.errors import StreamingError
from streaming_runtime.http import answers
from streaming_runtime.http.direct import DirectRoute, DirectRoutes, refusal
from streaming_runtime.http.edge import METHODS, Edge
from streaming_runtime.http.services import Observer, Services

# Litestar's own refusals, by status; what is not here is a fault of ours.
FRAMEWORK: dict[int, type[StreamingError]] = {
    400: errors.InvalidParameter,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
}


def create_app(
    routers: Sequence[ControllerRouterHandler],
    services: Services,
    observer: Observer,
    cors_origins: Sequence[str] = (),
    direct: Sequence[DirectRoute] = (),
) -> Edge:
    """Return an ASGI application that serves ``routers`` and nothing else.

    Shape:  what ``direct`` answers is answered before the framework; it is in ``routers`` as well.
    """
    handlers = {StreamingError: _answer_ours, HTTPException: _answer_framework, Exception: _raise}
    app = Litestar(
        route_handlers=routers,
        state=State({"services": services}),
        # Litestar's type asks for its own Response, where any ASGI application will do.
        exception_handlers=cast(ExceptionHandlersMap, handlers),
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,  # each route has a limit of its own, with its own problem
    )
    return Edge(DirectRoutes(direct, services, app), observer, cors_origins)


def allowed(found: str) -> str:
    """Return the Allow field for the methods of a route as Litestar names them.

    Source:  RFC 9110, section 9.1: whoever takes GET takes HEAD.
    """
    methods = (METHODS & {name.strip() for name in found.split(",")}) - {"OPTIONS"}
    if "GET" in methods:
        methods |= {"HEAD"}
    return ", ".join(sorted(methods))


def _answer_ours(request: Request[Any, Any, Any], error: StreamingError) -> answers.Answer:
    return refusal(request.scope, error)


def _answer_framework(request: Request[Any, Any, Any], error: HTTPException) -> answers.Answer:
    ours = FRAMEWORK.get(error.status_code)
    if ours is None:
        raise error
    ready = ours()
    if ours is errors.MethodNotAllowed:
        ready.headers["Allow"] = allowed((error.headers or {}).get("allow", ""))
    return _answer_ours(request, ready)


def _raise(_: Request[Any, Any, Any], error: Exception) -> answers.Answer:
    raise error
