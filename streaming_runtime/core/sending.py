"""Sending: a record is acknowledged when Kafka has it and its stream had not ended before it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from streaming_runtime.core.errors import OutcomeUnknown, StreamEnded
from streaming_runtime.core.model import Receipt, Record, Stream
from streaming_runtime.core.ports import RecordSink, StreamRegistry

END_POLLS = 60
END_POLL_SECONDS = 0.05


class Sending:
    """Sends the records of streams."""

    def __init__(
        self,
        sink: RecordSink,
        registry: StreamRegistry,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sink = sink
        self._registry = registry
        self._now_ms = now_ms
        self._sleep = sleep

    def refuse_ended(self, stream: Stream) -> None:
        """Check that a stream takes records.

        Raises:  StreamEnded.
        """
        if stream.ended_by(self._now_ms()) is not None:
            raise StreamEnded

    async def send(
        self,
        stream: Stream,
        value: bytes,
        traceparent: str | None = None,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """Store one record of a stream and return where it is.

        Raises:  StreamEnded, BrokerUnavailable, Overloaded, RecordTooLarge (not stored, or stored
                 behind the end where nobody reads); OutcomeUnknown.
        """
        self.refuse_ended(stream)
        now = self._now_ms()
        receipt = await self._sink.append(
            Record(stream, value, now, "record", traceparent, idempotency_key)
        )
        await self.check_before_end(stream, receipt)
        return receipt

    async def check_before_end(self, stream: Stream, receipt: Receipt) -> None:
        """Refuse what was stored while the stream was being ended, if the end came before it.

        Raises:  StreamEnded; OutcomeUnknown if the end does not become known in time.
        """
        latest = await self._registry.get(stream.stream_id)
        if latest is None or latest.ended_at is None:
            return
        for _ in range(END_POLLS):
            if latest is not None and latest.end_source is not None:
                if receipt.offset > latest.end_source:
                    raise StreamEnded
                return
            await self._sleep(END_POLL_SECONDS)
            latest = await self._registry.get(stream.stream_id)
        raise OutcomeUnknown
