"""A JSON array of records: each is stored or refused by itself, and the answer says which."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from streaming_runtime.core.errors import StreamingError
from streaming_runtime.core.model import Stream
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

    async def sent(record: bytes | StreamingError) -> dict[str, Any] | StreamingError:
        if isinstance(record, StreamingError):
            return record
        try:
            receipt = await sending.send(stream, record, traceparent)
        except StreamingError as exc:
            return exc
        return receipt_of(stream.stream_id, receipt)

    # Tasks start in order, so the records of a batch enter the producer in order.
    outcomes = await asyncio.gather(*map(sent, records))
    failed = sum(isinstance(outcome, StreamingError) for outcome in outcomes)
    answer = [
        problems.document(outcome, request_id) if isinstance(outcome, StreamingError) else outcome
        for outcome in outcomes
    ]
    return {"accepted": len(outcomes) - failed, "failed": failed, "records": answer}
