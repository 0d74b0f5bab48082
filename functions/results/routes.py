"""GET /stream/{id}/results: as a stream of events, as lines, or page by page."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from litestar import Request, Router, get
from litestar.response.base import ASGIResponse
from litestar.types import Receive

from functions.results import operations
from functions.results.negotiation import chosen_form, names_event_stream
from functions.results.refusals import as_event, is_strict
from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.errors import BrokerUnavailable, PositionGone, StreamingError
from streaming_runtime.core.model import Stream
from streaming_runtime.core.positions import (
    DEFAULT_PAGE,
    MAX_LIMIT,
    MAX_WAIT_SECONDS,
    start_of,
    whole,
)
from streaming_runtime.core.reading import Gap, Start
from streaming_runtime.http.answers import JSON, Answer
from streaming_runtime.http.direct import DirectRoute
from streaming_runtime.http.edge import exchange_of
from streaming_runtime.http.gate import Admission
from streaming_runtime.http.heads import fields_of, query_of
from streaming_runtime.http.result_pages import FUNCTION_BYTES, PROCESS_BYTES, read_page
from streaming_runtime.http.services import Services, services_of
from streaming_runtime.http.time_left import within

BEGIN_SECONDS = 15.0


async def answer_results(scope: Any, receive: Receive, services: Services) -> ASGIResponse:
    """Answer a reader, in the form that it accepts.

    Raises:  StreamingError, for whoever called to turn into its problem.
    """
    fields = fields_of(scope)
    accept = fields.get("accept", "")
    try:
        return await _answer(scope, services, fields, accept)
    except StreamingError as refusal:
        if names_event_stream(accept) and not is_strict(scope["query_string"]):
            answer = as_event(refusal, exchange_of(scope))
            if answer is not None:
                return answer
        raise


@get("/stream/{stream_id:str}/results", opt={"operation": operations.RESULTS})
async def read_results(request: Request[Any, Any, Any]) -> ASGIResponse:
    return await answer_results(request.scope, request.receive, services_of(request))


async def _answer(
    scope: Any, services: Services, fields: Mapping[str, str], accept: str
) -> ASGIResponse:
    stream_id = scope["path_params"]["stream_id"]
    admission = await services.gate.enter(fields, "read", stream_id, query_of(scope))
    stream = await services.streams.owned(admission.tenant, stream_id)
    form, query = chosen_form(accept), query_of(scope)
    last_event_id = fields.get("last-event-id")
    if form == JSON:
        return await _page(scope, services, stream, admission)
    start = start_of(query, last_event_id, is_page=False)
    cursor, gap = await _begun(scope, services, stream, start)
    if cursor.is_reached() and gap is None:
        return Answer(status=204, headers=admission.headers)
    return await services.event_streams.answer(
        form, stream, cursor, gap, admission.principal, admission.headers
    )


async def _page(scope: Any, services: Services, stream: Stream, admission: Admission) -> Answer:
    query, last_event_id = query_of(scope), fields_of(scope).get("last-event-id")
    start = start_of(query, last_event_id, is_page=True)
    limit = whole(query, "limit", DEFAULT_PAGE, 1, MAX_LIMIT)
    wait_seconds = whole(query, "wait", 0, 0, MAX_WAIT_SECONDS)
    cursor, gap = await _begun(scope, services, stream, start)
    if gap is not None and gap.requested is not None:
        raise PositionGone(earliest=gap.earliest, reason=gap.reason)
    page = await read_page(
        services.readings,
        stream,
        cursor,
        limit=limit or DEFAULT_PAGE,
        wait_seconds=within(scope, wait_seconds or 0),
        most_bytes=PROCESS_BYTES if services.is_streaming else FUNCTION_BYTES,
    )
    # Who asked for the start, not for a position, gets what still exists, and is told all the same.
    return Answer(page.encode(gap), headers=admission.headers)


async def _begun(
    scope: Any, services: Services, stream: Stream, start: Start
) -> tuple[Cursor, Gap | None]:
    """Decide where to begin, within BEGIN_SECONDS: ``since`` and ``tail`` search the log."""
    try:
        async with asyncio.timeout(within(scope, BEGIN_SECONDS)):
            return await services.readings.begin(stream, start)
    except TimeoutError:
        raise BrokerUnavailable("The position was not found in time") from None


router = Router(path="/", route_handlers=[read_results])
direct = DirectRoute(
    method="GET",
    pattern=re.compile(r"/stream/(?P<stream_id>[^/]+)/results"),
    template="/stream/{stream_id}/results",
    answer=answer_results,
)
