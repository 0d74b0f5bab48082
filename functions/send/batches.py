"""A JSON array of records: each is stored or refused by itself, and the answer says which."""

from __future__ import annotations

import asyncio
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

    async def sent(record: bytes | StreamingError) -> Receipt | StreamingError:
        if isinstance(record, StreamingError):
            return record
        try:
            return await sending.send(stream, record, traceparent)
        except StreamingError as exc:
            return exc

    # Tasks start in order, so the records of a batch enter the producer in order.
    return outcome_of(stream, await asyncio.gather(*map(sent, records)), request_id)


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
