"""Records into the input topic, with the headers of the Kafka contract."""

from __future__ import annotations

import json
from collections.abc import Sequence

from streaming_runtime.core.errors import StreamingError
from streaming_runtime.core.model import Processor, Receipt, Record, Stream
from streaming_runtime.core.ports import Waiter
from streaming_runtime.kafka.producer import SupervisedProducer

CACHED_HEADERS = 10_000


class KafkaSink:
    """Implements core.ports.RecordSink over the supervised producer."""

    def __init__(self, topic: str, producer: SupervisedProducer) -> None:
        self._topic = topic
        self._producer = producer
        self._processors: dict[str, bytes] = {}

    def enter(self, record: Record, waiter: Waiter) -> None:
        key = record.stream.stream_id.encode()
        self._producer.enter(self._topic, key, record.value, self._headers_of(record), waiter)

    async def append(self, record: Record) -> Receipt:
        key, headers = record.stream.stream_id.encode(), self._headers_of(record)
        return Receipt(*await self._producer.send(self._topic, key, record.value, headers))

    async def room(self, records: int, size: int) -> None:
        await self._producer.room(records, size)

    async def append_all(
        self, stream: Stream, values: Sequence[bytes], sent_at: int, traceparent: str | None = None
    ) -> list[Receipt | StreamingError]:
        headers = self._headers(stream, "record", sent_at, traceparent)
        key = stream.stream_id.encode()
        outcomes = await self._producer.send_all(self._topic, key, values, headers)
        return [
            outcome if isinstance(outcome, StreamingError) else Receipt(*outcome)
            for outcome in outcomes
        ]

    async def partition_for(self, stream_id: str) -> int:
        return await self._producer.partition_for(self._topic, stream_id.encode())

    def _headers_of(self, record: Record) -> list[tuple[str, bytes]]:
        headers = self._headers(record.stream, record.kind, record.sent_at, record.traceparent)
        if record.idempotency_key is not None:
            headers.append(("idempotency-key", record.idempotency_key.encode()))
        return headers

    def _headers(
        self, stream: Stream, kind: str, sent_at: int, traceparent: str | None
    ) -> list[tuple[str, bytes]]:
        headers = [
            ("kind", kind.encode()),
            ("processor", self._processor_of(stream)),
            ("sent-at", b"%d" % sent_at),
        ]
        if traceparent is not None:
            headers.append(("traceparent", traceparent.encode()))
        return headers

    def _processor_of(self, stream: Stream) -> bytes:
        """Return the processor header, encoded once for a stream that sends often."""
        header = self._processors.get(stream.stream_id)
        if header is None:
            if len(self._processors) >= CACHED_HEADERS:
                self._processors.clear()
            header = encode_processor(stream.processor)
            self._processors[stream.stream_id] = header
        return header


def encode_processor(processor: Processor) -> bytes:
    """Return a processor as it stands in a record's header: name and parameters."""
    return json.dumps(
        {"name": processor.name, **processor.parameters}, separators=(",", ":")
    ).encode()
