"""Dead letters: what could not be processed, kept as it came, with the reason."""

from __future__ import annotations

from streaming_runtime.processing.records import Header, InputRecord, OutputRecord

# What Kafka adds to a record in a batch of its own, and to each header, at most.
ENVELOPE_BYTES = 128
HEADER_BYTES = 12


def dead_letter(
    record: InputRecord, reason: str, attempts: int, *, topic: str, max_bytes: int, now_ms: int
) -> OutputRecord:
    """Return the record's own bytes and headers, with source, reason and attempts added.

    Shape:  what the topic would refuse for its size is left out, headers first, and the reason
            says so: the record can still be found at its source.
    Units:  ``max_bytes`` is the topic's limit for a batch.
    """
    headers = record.headers or []
    if record.headers is None:
        reason += "; its headers are not text and were left out"
    room = max_bytes - _size(record.key, None, _added(record, reason, attempts)) - 64
    if _size(None, record.value, headers) > room:
        headers = []
        reason += "; its headers were left out for their size"
    value = record.value
    if _size(None, value, headers) > room:
        value = None
        reason += "; its value too"
    added = _added(record, reason, attempts)
    return OutputRecord("dead-letter", topic, None, record.key, value, [*headers, *added], now_ms)


def _added(record: InputRecord, reason: str, attempts: int) -> list[Header]:
    return [
        ("source", record.source),
        ("reason", reason.encode()),
        ("attempts", b"%d" % attempts),
    ]


def _size(key: bytes | None, value: bytes | None, headers: list[Header]) -> int:
    named = sum(len(n) * 4 + len(v or b"") + HEADER_BYTES for n, v in headers)
    return ENVELOPE_BYTES + len(key or b"") + len(value or b"") + named
