"""The life of streams after their start: look at one, list them, end one, open it to a browser."""

from __future__ import annotations

from typing import Any

from litestar import Request, Router, get, post

from functions.streams import operations
from functions.streams.ticket_body import parse_ticket
from streaming_runtime.core.errors import InvalidBody, StreamingError
from streaming_runtime.core.positions import whole
from streaming_runtime.core.streams import DEFAULT_PAGE, MAX_PAGE
from streaming_runtime.core.tickets import ticket_for
from streaming_runtime.http.answers import Answer, of_json
from streaming_runtime.http.bodies import parse_nothing, read_body
from streaming_runtime.http.edge import exchange_of
from streaming_runtime.http.heads import fields_of, query_of
from streaming_runtime.http.services import services_of
from streaming_runtime.http.views import described

MOST_BODY_BYTES = 1_024


@get("/stream/{stream_id:str}", opt={"operation": operations.GET})
async def get_stream(request: Request[Any, Any, Any]) -> Answer:
    services = services_of(request)
    stream_id = request.path_params["stream_id"]
    admission = await services.gate.enter(fields_of(request.scope), "read", stream_id)
    stream = await services.streams.owned(admission.tenant, stream_id)
    return of_json(described(stream, services.streams.now_ms()), headers=admission.headers)


@get("/streams", opt={"operation": operations.LIST})
async def list_streams(request: Request[Any, Any, Any]) -> Answer:
    services = services_of(request)
    admission = await services.gate.enter(fields_of(request.scope), "read")
    query = query_of(request.scope)
    limit = whole(query, "limit", DEFAULT_PAGE, 1, MAX_PAGE) or DEFAULT_PAGE
    found, after = await services.streams.page(admission.tenant, query.get("after"), limit)
    now = services.streams.now_ms()
    page = {"streams": [described(stream, now) for stream in found], "after": after}
    return of_json(page, headers=admission.headers)


@post("/stream/{stream_id:str}/end", opt={"operation": operations.END})
async def end_stream(request: Request[Any, Any, Any]) -> Answer:
    services = services_of(request)
    stream_id = request.path_params["stream_id"]
    admission = await services.gate.enter(fields_of(request.scope), "send", stream_id)
    stream = await services.streams.owned(admission.tenant, stream_id)
    parse_nothing(await read_body(request.receive, MOST_BODY_BYTES, _oversized))
    exchange_of(request.scope).is_storing = True
    await services.streams.end(stream)
    ended = await services.streams.owned(admission.tenant, stream.stream_id)
    return of_json(described(ended, services.streams.now_ms()), 202, admission.headers)


@post("/stream/{stream_id:str}/ticket", opt={"operation": operations.TICKET})
async def make_ticket(request: Request[Any, Any, Any]) -> Answer:
    services = services_of(request)
    stream_id = request.path_params["stream_id"]
    fields = fields_of(request.scope)
    admission = await services.gate.enter(fields, "read", stream_id)
    stream = await services.streams.owned(admission.tenant, stream_id)
    asked = parse_ticket(await read_body(request.receive, MOST_BODY_BYTES, _too_much))
    now = services.streams.now_ms()
    ticket = ticket_for(
        admission.principal,
        stream.stream_id,
        asked.use,
        asked.seconds,
        fields.get("origin", ""),
        now,
    )
    answer = {
        "ticket": services.tickets.encode(ticket),
        "use": ticket.use,
        "expires_in": max(0, ticket.expires_at - now) // 1000,
    }
    return of_json(answer, 201, {**admission.headers, "Referrer-Policy": "no-referrer"})


def _too_much(_: bytes) -> StreamingError:
    return InvalidBody(f"The body is larger than {MOST_BODY_BYTES} bytes")


def _oversized(_: bytes) -> StreamingError:
    return InvalidBody("An end takes no body")


router = Router(path="/", route_handlers=[get_stream, list_streams, end_stream, make_ticket])
