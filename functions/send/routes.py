"""POST /stream/{id}/send: one record, a JSON array of them, or lines of them."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from litestar import Request, Router, post

from functions.send import operations
from functions.send.lines import LineSending
from functions.send.waiting import answer_with_result, wait_preference
from streaming_runtime.core.errors import RecordTooLarge, StreamingError
from streaming_runtime.core.model import Stream
from streaming_runtime.http import problems
from streaming_runtime.http.answers import NDJSON, Answer, StreamedAnswer, of_json
from streaming_runtime.http.bodies import MAX_BODY_BYTES, parse_batch, parse_record, read_body
from streaming_runtime.http.edge import exchange_of
from streaming_runtime.http.services import Services, services_of
from streaming_runtime.http.views import receipt_of

# W3C Trace Context, section 3.2: what does not have this form is not passed on.
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@post("/stream/{stream_id:str}/send", opt={"operation": operations.SEND})
async def send_records(request: Request[Any, Any, Any], stream_id: str) -> Answer | StreamedAnswer:
    services = services_of(request)
    admission = services.gate.admit(request.headers)
    stream = await services.streams.owned(admission.tenant, stream_id)
    services.sending.refuse_ended(stream)
    traceparent = _traceparent(request.headers.get("traceparent", ""))
    if _is_lines(request.headers.get("content-type", "")):
        request_id = exchange_of(request.scope).request_id
        lines = LineSending(services.sending, stream, traceparent, request_id)
        return StreamedAnswer(lines.run, NDJSON, admission.headers)
    body = await read_body(request.receive, MAX_BODY_BYTES, RecordTooLarge)
    if body.lstrip()[:1] == b"[":
        answer = await _send_batch(request, services, stream, body, traceparent)
        answer.own_headers.update(admission.headers)
        return answer
    return await _send_one(request, services, stream, body, traceparent, admission.headers)


async def _send_one(
    request: Request[Any, Any, Any],
    services: Services,
    stream: Stream,
    body: bytes,
    traceparent: str | None,
    headers: dict[str, str],
) -> Answer:
    data = parse_record(body)
    seconds = wait_preference(request.headers.get("prefer", ""))
    receipt = await services.sending.send(stream, data, traceparent)
    if seconds:
        found = await answer_with_result(services.readings, stream, receipt, seconds)
        if found is not None:
            return Answer(found, headers={**headers, "Preference-Applied": "wait"})
    return of_json(receipt_of(stream.stream_id, receipt), 202, headers)


async def _send_batch(
    request: Request[Any, Any, Any],
    services: Services,
    stream: Stream,
    body: bytes,
    traceparent: str | None,
) -> Answer:
    records = parse_batch(body)

    async def sent(record: bytes | StreamingError) -> dict[str, Any] | StreamingError:
        if isinstance(record, StreamingError):
            return record
        try:
            return receipt_of(
                stream.stream_id, await services.sending.send(stream, record, traceparent)
            )
        except StreamingError as exc:
            return exc

    # Tasks start in order, so the records of a batch enter the producer in order.
    outcomes = await asyncio.gather(*map(sent, records))
    request_id = exchange_of(request.scope).request_id
    failed = sum(isinstance(outcome, StreamingError) for outcome in outcomes)
    answer = [
        problems.document(outcome, request_id) if isinstance(outcome, StreamingError) else outcome
        for outcome in outcomes
    ]
    counts = {"accepted": len(outcomes) - failed, "failed": failed}
    return of_json({**counts, "records": answer}, 207)


def _is_lines(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == NDJSON


def _traceparent(text: str) -> str | None:
    return text if TRACEPARENT.fullmatch(text) else None


router = Router(path="/", route_handlers=[send_records])
