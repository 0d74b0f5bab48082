"""Our objects as the JSON of the contract."""

from __future__ import annotations

from typing import Any

from streaming_runtime.core.model import Receipt, Stream, timestamp


def started(stream: Stream) -> dict[str, Any]:
    """Return the answer to a start: the URLs are absolute paths."""
    path = f"/stream/{stream.stream_id}"
    return {
        "stream_id": stream.stream_id,
        "processor": stream.processor.as_json(),
        "created_at": timestamp(stream.created_at),
        "send_url": f"{path}/send",
        "results_url": f"{path}/results",
        "websocket_url": f"{path}/results",
    }


def described(stream: Stream, now_ms: int) -> dict[str, Any]:
    """Return a stream as its owner sees it."""
    ended_at = stream.ended_by(now_ms)
    return {
        "stream_id": stream.stream_id,
        "processor": stream.processor.as_json(),
        "label": stream.label,
        "created_at": timestamp(stream.created_at),
        "ttl_seconds": stream.ttl_seconds,
        "ended_at": None if ended_at is None else timestamp(ended_at),
    }


def receipt_json(stream_id: bytes, receipt: Receipt) -> bytes:
    """Return the JSON of ``receipt_of``, at a tenth of its cost.

    Shape:   a stream id and numbers hold nothing that JSON would escape.
    """
    partition, offset = receipt
    return b'{"stream_id":"%b","record_id":"%d-%d","partition":%d,"offset":%d}' % (
        *(stream_id, partition, offset),
        *(partition, offset),
    )


def receipt_line(stream_id: bytes, receipt: Receipt) -> bytes:
    """Return a receipt as a line of NDJSON."""
    return receipt_json(stream_id, receipt) + b"\n"


def receipt_of(stream_id: str, receipt: Receipt) -> dict[str, Any]:
    return {
        "stream_id": stream_id,
        "record_id": receipt.record_id,
        "partition": receipt.partition,
        "offset": receipt.offset,
    }
