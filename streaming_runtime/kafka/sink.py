"""Records into the input topic, with the headers of the Kafka contract."""

from __future__ import annotations

import json

from streaming_runtime.core.model import Processor, Receipt, Record, Stream
from streaming_runtime.kafka.producer import SupervisedProducer

CACHED_HEADERS = 10_000


class KafkaSink:
    """Implements core.ports.RecordSink over the supervised producer."""

    def __init__(self, topic: str, producer: SupervisedProducer) -> None:
        self._topic = topic
        self._producer = producer
        self._processors: dict[str, bytes] = {}

    async def append(self, record: Record) -> Receipt:
        stream = record.stream
        headers = [
            ("kind", record.kind.encode()),
            ("processor", self._processor_of(stream)),
            ("sent-at", b"%d" % record.sent_at),
        ]
        if record.idempotency_key is not None:
            headers.append(("idempotency-key", record.idempotency_key.encode()))
        if record.traceparent is not None:
            headers.append(("traceparent", record.traceparent.encode()))
        key = stream.stream_id.encode()
        return Receipt(*await self._producer.send(self._topic, key, record.value, headers))

    async def partition_for(self, stream_id: str) -> int:
        return await self._producer.partition_for(self._topic, stream_id.encode())

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
