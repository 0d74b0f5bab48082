"""POST /stream/start: a new stream."""

from __future__ import annotations

from typing import Any

from litestar import Request, Router, post

from functions.start import operations
from streaming_runtime.core.streams import StartRequest
from streaming_runtime.http.answers import Answer, of_json
from streaming_runtime.http.bodies import read_body
from streaming_runtime.http.edge import exchange_of
from streaming_runtime.http.heads import fields_of
from streaming_runtime.http.services import services_of
from streaming_runtime.http.start_body import MAX_START_BYTES, oversized_start, parse_start
from streaming_runtime.http.views import started


@post("/stream/start", opt={"operation": operations.START})
async def start_stream(request: Request[Any, Any, Any]) -> Answer:
    services = services_of(request)
    admission = await services.gate.enter(fields_of(request.scope), "start")
    body = parse_start(await read_body(request.receive, MAX_START_BYTES, oversized_start))
    asked = StartRequest(body.processor, body.label, body.ttl_seconds)
    exchange_of(request.scope).is_storing = True
    stream = await services.streams.start(admission.tenant, asked)
    return of_json(started(stream), 201, admission.headers)


router = Router(path="/", route_handlers=[start_stream])
