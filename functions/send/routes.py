"""POST /stream/{id}/send: one record, a JSON array of them, or lines of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from litestar import Request, Router, post
from litestar.response.base import ASGIResponse
from litestar.types import Receive

from functions.send import operations
from functions.send.batches import send_batch, weight_of
from functions.send.keyed import answer_keyed
from functions.send.lines import LinesAnswer, LineSending
from functions.send.waiting import ResultWait, wait_preference
from streaming_runtime.core.errors import BatchTooLarge, InvalidParameter, StreamingError
from streaming_runtime.core.model import Stream
from streaming_runtime.http.answers import NDJSON, Answer, of_json
from streaming_runtime.http.bodies import (
    MAX_BODY_BYTES,
    is_array,
    oversized_send,
    parse_batch,
    parse_record,
    read_body,
)
from streaming_runtime.http.direct import DirectRoute
from streaming_runtime.http.edge import exchange_of
from streaming_runtime.http.heads import fields_of
from streaming_runtime.http.idempotency_key import NAME
from streaming_runtime.http.services import Services, services_of
from streaming_runtime.http.time_left import within
from streaming_runtime.http.traceparent import traceparent_of
from streaming_runtime.http.views import receipt_of

# A function's answer comes whole as well, and a load balancer passes on 1 MB of it: a line is
# answered by 300 bytes at most.
MAX_FUNCTION_LINES = 2_500
MAX_FUNCTION_BODY_BYTES = 6 << 20


async def answer_send(scope: Any, receive: Receive, services: Services) -> ASGIResponse:
    """Answer a send, whichever of its three bodies it has.

    Raises:  StreamingError, for whoever called to turn into its problem.
    """
    fields = fields_of(scope)
    stream_id = scope["path_params"]["stream_id"]
    admission = await services.gate.enter(fields, "send", stream_id)
    stream = await services.streams.owned(admission.tenant, stream_id)
    traceparent = traceparent_of(fields.get("traceparent"))
    count = partial(services.gate.count_data, admission.tenant)
    if NAME in fields:
        if _is_lines(fields):
            raise InvalidParameter("An Idempotency-Key covers one record or an array, not lines")
        return await answer_keyed(
            scope, receive, services, stream, fields, traceparent, admission.headers, count
        )
    services.sending.refuse_ended(stream)
    exchange = exchange_of(scope)
    if _is_lines(fields):
        counting = count if services.gate.counts_data else None
        sending = LineSending(services.sending, stream, traceparent, exchange.request_id, counting)
        exchange.is_storing = True
        return await _send_lines(receive, services, sending, admission.headers)
    body = await read_body(receive, MAX_BODY_BYTES, oversized_send)
    if is_array(body):
        records = parse_batch(body)
        headers = await count(*weight_of(records), admission.headers)
        exchange.is_storing = True
        sent = send_batch(services.sending, stream, records, traceparent, exchange.request_id)
        return of_json(await sent, 207, headers)
    data = parse_record(body)
    headers = await count(1, len(data), admission.headers)
    if "prefer" in fields and (seconds := within(scope, wait_preference(fields["prefer"]))):
        wait = await ResultWait.begin(services.readings, stream, seconds)
        exchange.is_storing = True
        return await _send_and_wait(services, stream, data, traceparent, wait, headers)
    exchange.is_storing = True
    receipt = await services.sending.send(stream, data, traceparent)
    return of_json(receipt_of(stream.stream_id, receipt), 202, headers)


@post("/stream/{stream_id:str}/send", opt={"operation": operations.SEND})
async def send_records(request: Request[Any, Any, Any]) -> ASGIResponse:
    return await answer_send(request.scope, request.receive, services_of(request))


async def _send_and_wait(
    services: Services,
    stream: Stream,
    data: bytes,
    traceparent: str | None,
    wait: ResultWait,
    headers: Mapping[str, str],
) -> Answer:
    receipt = await services.sending.send(stream, data, traceparent)
    found = await wait.result_of(receipt)
    if found is None:
        return of_json(receipt_of(stream.stream_id, receipt), 202, headers)
    return Answer(found, headers={**headers, "Preference-Applied": "wait"})


async def _send_lines(
    receive: Receive,
    services: Services,
    sending: LineSending,
    headers: Mapping[str, str],
) -> ASGIResponse:
    if services.is_streaming:
        return LinesAnswer(sending, headers, services.uploads)
    body = await read_body(receive, MAX_FUNCTION_BODY_BYTES, _oversized_lines)
    if body.count(b"\n") > MAX_FUNCTION_LINES:
        raise _oversized_lines(body)
    # The type by name: an answer without lines would have none.
    typed = {**headers, "Content-Type": NDJSON}
    return Answer(await sending.send_all(body), media_type=NDJSON, headers=typed)


def _oversized_lines(_: bytes) -> StreamingError:
    return BatchTooLarge(
        f"A function takes {MAX_FUNCTION_LINES:,} lines at a time: send them in parts, or to the"
        " long-running API, which takes any number"
    )


def _is_lines(fields: Mapping[str, str]) -> bool:
    media_type = fields.get("content-type", "").partition(";")[0]
    return media_type.strip().lower() == NDJSON


router = Router(path="/", route_handlers=[send_records])
direct = DirectRoute(
    method="POST",
    pattern=re.compile(r"/stream/(?P<stream_id>[^/]+)/send"),
    template="/stream/{stream_id}/send",
    answer=answer_send,
)
