"""Records of the results topic, as the Kafka contract has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from streaming_runtime.core.errors import ProcessingFailed
from streaming_runtime.core.model import Kind
from streaming_runtime.processing.records import Header, InputRecord, OutputRecord

MAX_TRACEPARENT_BYTES = 256
MILLISECONDS = re.compile(rb"[0-9]{1,13}")  # Up to the year 2286; any date can show it.


class Results:
    """Makes the results of input records."""

    def __init__(self, topic: str, now_ms: Callable[[], int]) -> None:
        self._topic = topic
        self._now_ms = now_ms

    def make(
        self,
        record: InputRecord,
        headers: Mapping[str, bytes | None],
        kind: Kind,
        value: bytes,
        part: int | None = None,
    ) -> OutputRecord:
        """Return one result; ``part`` numbers those of a record that has several, from 1."""
        now_ms = self._now_ms()
        sent_at = _sent_at(record, headers, now_ms)
        written: list[Header] = [
            ("kind", kind.encode()),
            ("source", record.source if part is None else b"%b-%d" % (record.source, part)),
            ("sent-at", sent_at),
            ("processed-at", b"%d" % now_ms),
        ]
        traceparent = headers.get("traceparent")
        if traceparent is not None and len(traceparent) <= MAX_TRACEPARENT_BYTES:
            written.append(("traceparent", traceparent))
        return OutputRecord(
            kind,
            self._topic,
            # The input's own partition and not the key's: a source has its place among those of
            # its partition, and in another one it would silence what is not yet written there.
            record.partition,
            record.key,
            value,
            written,
            now_ms,
            max(0, now_ms - int(sent_at)),
        )


def problem(detail: str) -> bytes:
    """Return the value of a ``failed`` result: a problem without status and request id.

    Source:  RFC 9457; what the contract says of ``failed`` results.
    """
    return msgspec.json.encode(
        {
            "type": f"/problems/{ProcessingFailed.code}",
            "title": ProcessingFailed.title,
            "detail": detail,
            "code": ProcessingFailed.code,
            "retriable": ProcessingFailed.retriable,
        }
    )


def _sent_at(record: InputRecord, headers: Mapping[str, bytes | None], now_ms: int) -> bytes:
    """Return when the record was sent: its header, else Kafka's own time, else now."""
    header = headers.get("sent-at")
    if header is not None and MILLISECONDS.fullmatch(header):
        return header
    by_kafka = b"%d" % record.timestamp
    return by_kafka if MILLISECONDS.fullmatch(by_kafka) else b"%d" % now_ms
