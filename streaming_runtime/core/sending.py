"""Sending: a record is acknowledged when Kafka has it and its stream had not ended before it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from streaming_runtime.core.errors import OutcomeUnknown, StreamEnded, StreamingError
from streaming_runtime.core.model import Receipt, Record, Stream
from streaming_runtime.core.ports import RecordSink, StreamRegistry, Waiter

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

    def enter(self, stream: Stream, value: bytes, traceparent: str | None, waiter: Waiter) -> None:
        """Begin to store one record; who is told of its place must still ``check_before_end``.

        Raises:  StreamEnded or Overloaded; then nothing was begun.
        """
        self.refuse_ended(stream)
        self._sink.enter(Record(stream, value, self._now_ms(), "record", traceparent), waiter)

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

    async def room(self, records: int, size: int) -> None:
        """Wait until there is room for many records; see core.ports.RecordSink.

        Raises:  Overloaded.
        """
        await self._sink.room(records, size)

    async def send_all(
        self, stream: Stream, values: Sequence[bytes], traceparent: str | None = None
    ) -> list[Receipt | StreamingError]:
        """Store records of a stream in their order; return a receipt or the failure of each.

        Shape:   all have entered before this first waits, as with core.ports.RecordSink.append_all.
        """
        try:
            self.refuse_ended(stream)
            outcomes = await self._sink.append_all(stream, values, self._now_ms(), traceparent)
        except StreamingError as failure:
            return [failure] * len(values)
        latest = await self._registry.get(stream.stream_id)
        if latest is None or latest.ended_at is None:
            return outcomes
        return [await self._before_end(stream, outcome) for outcome in outcomes]

    async def _before_end(
        self, stream: Stream, outcome: Receipt | StreamingError
    ) -> Receipt | StreamingError:
        if isinstance(outcome, StreamingError):
            return outcome
        try:
            await self.check_before_end(stream, outcome)
        except StreamingError as failure:
            return failure
        return outcome

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
