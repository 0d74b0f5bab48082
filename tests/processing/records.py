"""Input records as tests mean them."""

from __future__ import annotations

from streaming_runtime.processing.records import Header, InputRecord

KEY = b"k" * 22


def record(
    value: bytes | None = b"1",
    processor: bytes | None = b'{"name":"identity"}',
    kind: bytes | None = b"record",
    key: bytes | None = KEY,
    sent_at: bytes = b"1000",
    timestamp: int = 900,
    more: tuple[Header, ...] = (),
) -> InputRecord:
    """Return a record as the API writes it, but for what the test changes."""
    headers: list[Header] = [
        ("kind", kind),
        ("processor", processor),
        ("sent-at", sent_at),
        *more,
    ]
    return InputRecord(2, 7, key, value, headers, timestamp)
