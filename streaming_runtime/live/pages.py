"""What a person or a tool reads about the API: the console, the docs, problems, two documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Router, get
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
from streaming_runtime.http.operations import Operation
from streaming_runtime.live import operations

# A visitor's browser asks again each time, so that an upgrade is seen at once.
ASK_AGAIN = {"Cache-Control": "no-cache"}
PAGE_HEADERS = {**SECURITY_HEADERS, **ASK_AGAIN}
DOCUMENTS = {"/schema": operations.SCHEMA, "/asyncapi": operations.ASYNCAPI}


def router(documents: Mapping[str, dict[str, Any]]) -> Router:
    """Return the routes of all pages; ``documents`` holds those of DOCUMENTS by their path."""
    files = assets()
    handlers = [
        _page("/", operations.CONSOLE, files["/"].body),
        _page("/docs", operations.DOCS, files["/docs"].body),
        _files(files),
        *_problems(),
        *(_document(path, about, documents.get(path, {})) for path, about in DOCUMENTS.items()),
    ]
    return Router(path="/", route_handlers=handlers)


def _page(path: str, about: Operation, body: bytes) -> HTTPRouteHandler:
    @get(path, opt={"operation": about})
    async def serve() -> Answer:
        return Answer(body, media_type=HTML, headers=PAGE_HEADERS)

    return serve


def _files(files: Mapping[str, Asset]) -> HTTPRouteHandler:
    @get("/console/{file:str}", opt={"operation": operations.FILE})
    async def serve(request: Request[Any, Any, Any]) -> Answer:
        file = files.get(f"/console/{request.path_params['file']}")
        if file is None:
            raise NotFound
        return Answer(file.body, media_type=file.media_type, headers=PAGE_HEADERS)

    return serve


def _document(path: str, about: Operation, document: dict[str, Any]) -> HTTPRouteHandler:
    body = msgspec.json.encode(document)

    @get(path, opt={"operation": about})
    async def serve() -> Answer:
        return Answer(body, media_type=JSON, headers=ASK_AGAIN)

    return serve


def _problems() -> list[HTTPRouteHandler]:
    statuses = {error.code: problems.status_of(error()) for error in every_error()}
    index = problems_index(statuses)

    @get("/problems", opt={"operation": operations.PROBLEMS})
    async def all_problems() -> Answer:
        return Answer(index, media_type=HTML, headers=PAGE_HEADERS)

    @get("/problems/{code:str}", opt={"operation": operations.PROBLEM})
    async def one_problem(request: Request[Any, Any, Any]) -> Answer:
        code = request.path_params["code"]
        page = problem_page(code, statuses.get(code, 500))
        if page is None:
            raise NotFound
        return Answer(page, media_type=HTML, headers=PAGE_HEADERS)

    return [all_problems, one_problem]
