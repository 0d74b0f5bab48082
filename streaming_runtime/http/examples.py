"""The objects that the API document shows, so that its pages tell one story."""

from __future__ import annotations

from typing import Any

from streaming_runtime.core.errors import InvalidBody
from streaming_runtime.http import problems

REQUEST_ID = "0f1e2d3c4b5a6978"
STREAM_ID = "Zk3vXw8mQe2rT6yLh0sUaA"
CURSOR_ID = "AWh2c2RmZ2gxAAAAAAAABBMAAAAAAAAEEgAA__________________9kYXRhc2Vh"
SAMPLE: dict[str, Any] = {"data": "sample data"}
RECEIPT: dict[str, Any] = {
    "stream_id": STREAM_ID,
    "record_id": "7-1042",
    "partition": 7,
    "offset": 1042,
}
RESULT: dict[str, Any] = {
    "id": CURSOR_ID,
    "stream_id": STREAM_ID,
    "kind": "result",
    "source": "7-1042",
    "data": "SAMPLE DATA",
    "sent_at": "2026-01-31T12:00:00.000Z",
    "processed_at": "2026-01-31T12:00:00.004Z",
}
STREAM: dict[str, Any] = {
    "stream_id": STREAM_ID,
    "processor": {"name": "jmespath", "expression": "order.total"},
    "label": "orders",
    "created_at": "2026-01-31T12:00:00.000Z",
    "ttl_seconds": 3600,
    "ended_at": None,
}
TICKET: dict[str, Any] = {
    "ticket": "WzEsImV2ZW50c291cmNlIiwi4oCmIl0.c2lnbmF0dXJl",
    "use": "eventsource",
    "expires_in": 900,
}
STARTED: dict[str, Any] = {
    "stream_id": STREAM_ID,
    "processor": "uppercase",
    "created_at": "2026-01-31T12:00:00.000Z",
    "send_url": f"/stream/{STREAM_ID}/send",
    "results_url": f"/stream/{STREAM_ID}/results",
    "websocket_url": f"/stream/{STREAM_ID}/results",
}
PROBLEM = problems.document(InvalidBody("data is given twice"), REQUEST_ID)
