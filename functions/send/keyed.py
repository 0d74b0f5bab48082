"""Sends with an Idempotency-Key: the first receipt, however often a request comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from litestar.response.base import ASGIResponse
from litestar.types import Receive

from functions.send.batches import outcome_of, weight_of
from functions.send.waiting import ResultWait, wait_preference
from streaming_runtime.core.errors import StreamingError
from streaming_runtime.core.idempotency import KeyedAnswer, KeyedSend
from streaming_runtime.core.model import Stream
from streaming_runtime.http.answers import Answer, of_json
from streaming_runtime.http.bodies import (
    MAX_BODY_BYTES,
    is_array,
    oversized_send,
    parse_batch,
    parse_record,
    read_body,
)
from streaming_runtime.http.edge import exchange_of
from streaming_runtime.http.idempotency_key import NAME, key_of
from streaming_runtime.http.services import Services
from streaming_runtime.http.time_left import within
from streaming_runtime.http.views import receipt_of

# Counts records and their bytes, and adds what is left to the headers of the answer.
CountData = Callable[[int, int, dict[str, str]], Awaitable[dict[str, str]]]
REPLAYED = {"Idempotent-Replayed": "true"}


async def answer_keyed(
    scope: Any,
    receive: Receive,
    services: Services,
    stream: Stream,
    fields: Mapping[str, str],
    traceparent: str | None,
    headers: dict[str, str],
    count: CountData,
) -> ASGIResponse:
    """Answer a send of one record or of an array.

    Shape:   the body is judged before the key: what is refused there leaves it unused.
    Raises:  StreamingError.
    """
    key = key_of(scope, fields[NAME])
    body = await read_body(receive, MAX_BODY_BYTES, oversized_send)
    exchange = exchange_of(scope)
    if is_array(body):
        records = parse_batch(body)
        batch = KeyedSend.batch(stream, key, body, records, traceparent)
        headers = await count(*weight_of(records), headers)
        exchange.is_storing = True
        answer = await services.keyed.send(batch)
        outcome = outcome_of(stream, answer.outcomes, exchange.request_id)
        return of_json(outcome, 207, _marked(headers, answer))
    data = parse_record(body)
    single = KeyedSend.single(stream, key, body, data, traceparent)
    headers = await count(1, len(data), headers)
    seconds = within(scope, wait_preference(fields.get("prefer", "")))
    deadline = asyncio.get_running_loop().time() + seconds
    exchange.is_storing = True
    answer = await services.keyed.send(single)
    (receipt,) = answer.outcomes
    if isinstance(receipt, StreamingError):
        raise receipt
    marked = _marked(headers, answer)
    if seconds:
        wait = ResultWait(services.readings, stream, answer.results_end, deadline)
        if (found := await wait.result_of(receipt)) is not None:
            return Answer(found, headers={**marked, "Preference-Applied": "wait"})
    return of_json(receipt_of(stream.stream_id, receipt), 202, marked)


def _marked(headers: Mapping[str, str], answer: KeyedAnswer) -> Mapping[str, str]:
    return {**headers, **REPLAYED} if answer.is_replayed else headers
