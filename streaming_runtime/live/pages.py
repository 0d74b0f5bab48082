"""What a person or a tool reads about the API: the console, the docs, problems, two schemas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Router, get
from litestar.handlers import HTTPRouteHandler

from streaming_runtime.console.pages import (
    SECURITY_HEADERS,
    Asset,
    assets,
    problem_page,
    problems_index,
)
from streaming_runtime.core.errors import NotFound, every_error
from streaming_runtime.http import problems
from streaming_runtime.http.answers import HTML, JSON, Answer

# Long enough to spare a visitor's second click, short enough that an upgrade is seen at once.
PAGE_HEADERS = {**SECURITY_HEADERS, "Cache-Control": "no-cache"}
STATUSES = {error.code: problems.status_of(error()) for error in every_error()}


def router(documents: Mapping[str, dict[str, Any]]) -> Router:
    """Return the routes of all pages; ``documents`` are the schemas by their path."""
    handlers: list[HTTPRouteHandler] = [_asset(asset) for asset in assets().values()]
    handlers += [_document(path, document) for path, document in documents.items()]
    return Router(path="/", route_handlers=[*handlers, *_problem_routes()])


def _asset(asset: Asset) -> HTTPRouteHandler:
    @get(asset.path)
    async def serve() -> Answer:
        return Answer(asset.body, media_type=asset.media_type, headers=PAGE_HEADERS)

    return serve


def _document(path: str, document: dict[str, Any]) -> HTTPRouteHandler:
    body = msgspec.json.encode(document)

    @get(path)
    async def serve() -> Answer:
        return Answer(body, media_type=JSON, headers={"Cache-Control": "no-cache"})

    return serve


def _problem_routes() -> Sequence[HTTPRouteHandler]:
    index = problems_index(STATUSES)

    @get("/problems")
    async def all_problems() -> Answer:
        return Answer(index, media_type=HTML, headers=PAGE_HEADERS)

    @get("/problems/{code:str}")
    async def one_problem(code: str) -> Answer:
        page = problem_page(code, STATUSES.get(code, 0))
        if page is None:
            raise NotFound
        return Answer(page, media_type=HTML, headers=PAGE_HEADERS)

    return [all_problems, one_problem]
