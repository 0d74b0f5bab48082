"""OpenAPI 3.1, written from what the routes say of themselves."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from litestar import Router
from litestar.handlers import HTTPRouteHandler
from litestar.types import ControllerRouterHandler

from streaming_runtime.core.errors import StreamingError
from streaming_runtime.http import problems
from streaming_runtime.http.components import components
from streaming_runtime.http.examples import REQUEST_ID
from streaming_runtime.http.operations import Content, Operation, Parameter, Reply
from streaming_runtime.http.schemas import ref

VERSION = "0.1.0"
# Litestar names the type of a path's parameter; OpenAPI does not.
PATH_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The id of this exchange, as it stands in our logs.",
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "What is left of the limit (draft-ietf-httpapi-ratelimit-headers-11).",
        "schema": {"type": "string"},
        "example": '"requests";r=19999;t=1',
    },
    "RateLimit-Policy": {
        "description": "The limit itself: the most that any second admits.",
        "schema": {"type": "string"},
        "example": '"requests";q=30000;w=1',
    },
    "Retry-After": {
        "description": "Whole seconds; a request after them succeeds.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "The credentials that are taken; for a bearer token, what it lacks.",
        "schema": {"type": "string"},
    },
    "Preference-Applied": {
        "description": "`wait`, when the result is the answer.",
        "schema": {"type": "string", "const": "wait"},
    },
    "Idempotent-Replayed": {
        "description": "`true`, when the answer is the first one to this `Idempotency-Key`.",
        "schema": {"type": "string", "const": "true"},
    },
}
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A token of the issuer that this deployment takes (RFC 6750); its `scope` or"
    " `scp` holds the scope of the route, as `stream:send` or `send`. A browser that can send no"
    " header asks for a ticket with it.",
}
TICKET = {
    "type": "apiKey",
    "in": "query",
    "name": "ticket",
    "description": "For browsers, which can send no header: what `POST /stream/{stream_id}/ticket`"
    " has answered. A credential in the head counts before it.",
}
HEADERS_OF = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
HEADERS_OF_CODE = {"idempotency-in-progress": ("Retry-After",)}
LIMIT_HEADERS = ("RateLimit", "RateLimit-Policy")


class Undocumented(Exception):
    """A route says nothing of itself: a fault of ours, found when the document is written."""


def document(routers: Sequence[ControllerRouterHandler]) -> dict[str, Any]:
    """Return the document for all HTTP routes of ``routers``.

    Raises:  Undocumented for a route without an Operation in its ``opt``.
    """
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for path, method, operation in operations_of(routers):
        paths[path][method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Millrace",
            "version": VERSION,
            "summary": "Real-time streams over Kafka.",
            "description": "Start a stream, send records into it, watch the results arrive.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": dict(paths),
        "components": {
            "schemas": components(),
            "headers": HEADERS,
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "bearer": BEARER,
                "ticket": TICKET,
            },
        },
    }


def operations_of(
    routers: Sequence[ControllerRouterHandler],
) -> list[tuple[str, str, Operation]]:
    """Return path, method and operation of every HTTP route, by path.

    Raises:  Undocumented.
    """
    found = []
    routes = Router(path="/", route_handlers=list(routers)).route_handler_method_map
    for path, methods in sorted(routes.items()):
        for method, handler in methods.items():
            if not isinstance(handler, HTTPRouteHandler) or method == "OPTIONS":
                continue
            operation = handler.opt.get("operation")
            if not isinstance(operation, Operation):
                raise Undocumented(f"{method} {path} has no operation")
            found.append((PATH_PARAMETER.sub(r"{\1}", path), str(method), operation))
    return found


def _operation(operation: Operation) -> dict[str, Any]:
    answers = {status: _reply(reply, operation) for status, reply in operation.replies.items()}
    answers |= _refusals(operation)
    described: dict[str, Any] = {
        "operationId": operation.operation_id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": {str(status): answers[status] for status in sorted(answers)},
        "security": _security(operation),
    }
    if operation.body:
        described["requestBody"] = {
            "required": operation.is_body_required,
            "content": _contents(operation.body),
        }
    return described


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    """Return what opens a route: any one of these.

    Source:  OpenAPI 3.1, Security Requirement Object: a scheme that is not OAuth 2 may list roles.
    """
    if not operation.is_guarded:
        return []
    scopes = [f"stream:{operation.scope}"] if operation.scope else []
    found = [{"apiKey": scopes}, {"bearer": scopes}]
    return [*found, {"ticket": scopes}] if operation.takes_ticket else found


def _reply(reply: Reply, operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": reply.description,
        "headers": _headers((*reply.headers, *_limits(operation))),
    }
    if reply.contents:
        described["content"] = _contents(reply.contents)
    return described


def _refusals(operation: Operation) -> dict[int, dict[str, Any]]:
    by_status: dict[int, list[type[StreamingError]]] = defaultdict(list)
    for error in operation.all_refusals():
        by_status[problems.status_of(error())].append(error)
    return {status: _refusal(status, found) for status, found in by_status.items()}


def _refusal(status: int, found: Sequence[type[StreamingError]]) -> dict[str, Any]:
    codes = ", ".join(f"`{error.code}`" for error in found)
    examples = {
        error.code: {"summary": error.title, "value": problems.document(error(), REQUEST_ID)}
        for error in found
    }
    limits = LIMIT_HEADERS if status == HTTPStatus.TOO_MANY_REQUESTS else ()
    own = [name for error in found for name in HEADERS_OF_CODE.get(error.code, ())]
    return {
        "description": f"{HTTPStatus(status).phrase}: {codes}",
        "headers": _headers((*HEADERS_OF.get(status, ()), *limits, *own)),
        "content": {problems.MEDIA_TYPE: {"schema": ref("Problem"), "examples": examples}},
    }


def _contents(contents: Sequence[Content]) -> dict[str, Any]:
    return {content.media_type: _content(content) for content in contents}


def _content(content: Content) -> dict[str, Any]:
    described: dict[str, Any] = {"schema": dict(content.schema)}
    if content.examples:
        described["examples"] = {name: {"value": v} for name, v in content.examples.items()}
    return described


def _headers(names: Sequence[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


def _limits(operation: Operation) -> Sequence[str]:
    return LIMIT_HEADERS if operation.is_guarded else ()


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }
    if parameter.example is not None:
        described["example"] = parameter.example
    return described
