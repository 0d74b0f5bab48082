"""A JSON array of records: each is stored or refused by itself, and the answer says which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streaming_runtime.core.errors import StreamingError
from streaming_runtime.core.model import Receipt, Stream
from streaming_runtime.core.sending import Sending
from streaming_runtime.http import problems
from streaming_runtime.http.views import receipt_of


async def send_batch(
    sending: Sending,
    stream: Stream,
    records: Sequence[bytes | StreamingError],
    traceparent: str | None,
    request_id: str,
) -> dict[str, Any]:
    """Send what is a record, and return a receipt or a problem for each, in order."""

    outcomes = await send_judged(sending, stream, records, traceparent)
    return outcome_of(stream, outcomes, request_id)


def weight_of(records: Sequence[bytes | StreamingError]) -> tuple[int, int]:
    """Return how many of them are records, and their bytes."""
    sizes = [len(record) for record in records if isinstance(record, bytes)]
    return len(sizes), sum(sizes)


async def send_judged(
    sending: Sending,
    stream: Stream,
    records: Sequence[bytes | StreamingError],
    traceparent: str | None,
) -> list[Receipt | StreamingError]:
    """Send what is a record, in order; return the outcome of each, refused ones among them."""
    values = [record for record in records if isinstance(record, bytes)]
    if len(values) == len(records):
        return await sending.send_all(stream, values, traceparent)
    stored = iter(await sending.send_all(stream, values, traceparent) if values else ())
    return [next(stored) if isinstance(record, bytes) else record for record in records]


def outcome_of(
    stream: Stream, outcomes: Sequence[Receipt | StreamingError], request_id: str
) -> dict[str, Any]:
    """Return the answer to an array: how many were stored, and a receipt or a problem for each."""
    failed = sum(isinstance(outcome, StreamingError) for outcome in outcomes)
    answer = [
        problems.document(outcome, request_id)
        if isinstance(outcome, StreamingError)
        else receipt_of(stream.stream_id, outcome)
        for outcome in outcomes
    ]
    return {"accepted": len(outcomes) - failed, "failed": failed, "records": answer}
