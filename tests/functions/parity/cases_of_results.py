"""Rows about reading results, in all forms and from all positions."""

from __future__ import annotations

from tests.functions.parity.case import JSON, KEYED, NDJSON, SSE, Case

READ = "/stream/{read}/results"


def _page(name: str, query: str, *more: tuple[str, str]) -> Case:
    return Case(f"page: {name}", 200, "GET", READ + query, (KEYED, JSON, *more))


def _refused(name: str, query: str, code: str = "invalid-parameter", status: int = 400) -> Case:
    return Case(f"page: {name}", status, "GET", READ + query, (KEYED, JSON), code=code)


def _stream(name: str, target: str, *headers: tuple[str, str], status: int = 200) -> Case:
    return Case(f"results: {name}", status, "GET", target, (KEYED, *headers))


PAGES = [
    _page("from the start", ""),
    _page("from the start, said so", "?from=start"),
    _page("two", "?limit=2"),
    _page("after two", "?cursor={cursor}"),
    _page("after two, by the header", "", ("last-event-id", "{cursor}")),
    _page("the header before the query", "?cursor=wrong", ("last-event-id", "{cursor}")),
    _page("the last two", "?tail=2"),
    _page("since a moment", "?since={since}"),
    _page("since a moment to come", "?since=2999-01-01T00%3A00%3A00%2B02%3A00"),
    _page("from now", "?from=now"),
    _page("waiting for what is there", "?wait=5"),
    Case(
        "page: by preference",
        200,
        "GET",
        READ + "?limit=1",
        (KEYED, ("accept", "text/html, application/json;q=0.9, */*;q=0.1")),
    ),
    Case("page: nothing yet", 200, "GET", "/stream/{empty}/results?wait=0", (KEYED, JSON)),
    Case("page: to the end", 200, "GET", "/stream/{ended}/results", (KEYED, JSON)),
    Case(
        "page: past the end",
        200,
        "GET",
        "/stream/{ended}/results?cursor={end}&wait=20",
        (KEYED, JSON),
    ),
    Case("page: failures", 200, "GET", "/stream/{failed}/results", (KEYED, JSON)),
    _refused("two positions", "?cursor={cursor}&from=now"),
    _refused("an unknown position", "?from=middle"),
    _refused("a moment that is none", "?since=yesterday"),
    _refused("a moment without an offset", "?since=2026-01-01T00:00:00"),
    _refused("no results", "?limit=0"),
    _refused("too many results", "?limit=1001"),
    _refused("a tail that is none", "?tail=x"),
    _refused("too long a wait", "?wait=26"),
    _refused("a wait that is none", "?wait=1.5"),
    _refused("a cursor that is none", "?cursor=nothing", "invalid-cursor"),
    _refused("an empty cursor", "?cursor=", "invalid-cursor"),
    _refused("another stream's cursor", "?cursor={end}", "invalid-cursor"),
    _refused("a changed cursor", "?cursor={changed}", "invalid-cursor"),
    Case(
        "page: a position twice",
        400,
        "GET",
        READ + "?limit=1&limit=2",
        (KEYED, JSON),
        code="invalid-parameter",
        is_repeated=True,
    ),
]

STREAMED = [
    _stream("events until now", READ + "?until=now", SSE),
    _stream("two events", READ + "?limit=2", SSE),
    _stream("events after two", READ + "?until=now", SSE, ("last-event-id", "{cursor}")),
    _stream("the last two events", READ + "?tail=2&until=now", SSE),
    _stream("events for who takes anything", READ + "?limit=1", ("accept", "*/*")),
    _stream("events to the end", "/stream/{ended}/results", SSE),
    _stream("failures as events", "/stream/{failed}/results?limit=2", SSE),
    _stream("no events past the end", "/stream/{ended}/results?cursor={end}", SSE, status=204),
    _stream("lines until now", READ + "?until=now", NDJSON),
    _stream("two lines", READ + "?limit=2", NDJSON),
    _stream("lines to the end", "/stream/{ended}/results", NDJSON),
    _stream("no lines past the end", "/stream/{ended}/results?cursor={end}", NDJSON, status=204),
    Case(
        "results: the first of two that are accepted",
        200,
        "GET",
        READ + "?limit=1",
        (KEYED, ("accept", "application/json"), ("accept", "text/event-stream;q=0.5")),
        is_repeated=True,
    ),
]

REFUSED = [
    Case("results: no key", 401, "GET", READ, (SSE,), code="unauthorized"),
    Case(
        "results: a form nobody has",
        406,
        "GET",
        READ,
        (KEYED, ("accept", "image/png")),
        code="not-acceptable",
    ),
    Case(
        "results: no stream", 404, "GET", "/stream/no/results", (KEYED, SSE), b"", "unknown-stream"
    ),
    Case(
        "results: another's stream",
        404,
        "GET",
        "/stream/{others}/results",
        (KEYED, JSON),
        code="unknown-stream",
    ),
    Case(
        "results: events at a wrong cursor",
        400,
        "GET",
        READ + "?cursor=x",
        (KEYED, SSE),
        code="invalid-cursor",
    ),
    Case("results: written to", 405, "POST", READ, code="method-not-allowed"),
]

TICKET = "?until=now&ticket={ticket}"
WITH_TICKETS = [
    Case("results: a page by a ticket", 200, "GET", READ + TICKET, (JSON,)),
    Case("results: events by a ticket", 200, "GET", READ + TICKET, (SSE,)),
    Case("results: lines by a ticket", 200, "GET", READ + TICKET, (NDJSON,)),
    Case("results: a key besides a wrong ticket", 200, "GET", READ + "?ticket=x", (KEYED, JSON)),
    Case(
        "results: another stream's ticket",
        401,
        "GET",
        "/stream/{empty}/results" + TICKET,
        (JSON,),
        code="unauthorized",
    ),
    Case(
        "results: a ticket for a socket",
        401,
        "GET",
        READ + "?ticket={socket_ticket}",
        (SSE,),
        code="unauthorized",
    ),
    Case(
        "results: a changed ticket",
        401,
        "GET",
        READ + "?ticket={ticket}x",
        (SSE,),
        code="unauthorized",
    ),
]

RESULTS = [*PAGES, *STREAMED, *REFUSED, *WITH_TICKETS]
