"""Endless SSE and NDJSON: results as they come, until the stream ends or the connection leaves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import cast

from litestar.types import Receive, Scope, Send

from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.errors import StreamingError, Unauthorized
from streaming_runtime.core.model import Stream
from streaming_runtime.core.principals import Principal
from streaming_runtime.core.reading import Delivery, Gap, Reader, Readings
from streaming_runtime.http import problems
from streaming_runtime.http.answers import StreamedAnswer, chunk
from streaming_runtime.http.credential_expiry import CredentialExpiry
from streaming_runtime.http.edge import exchange_of
from streaming_runtime.http.event_forms import FORMS, STREAM_HEADERS, EventForm, jittered_ms
from streaming_runtime.http.gate import Gate
from streaming_runtime.live.arrivals import Arrivals
from streaming_runtime.live.connections import Connection, Connections
from streaming_runtime.live.cycle import PUSHING, Cycle

log = logging.getLogger("millrace.live.endless")

HEARTBEAT_SECONDS = 15.0
# A client that lost us comes back after this long; who was sent away has another replica to go to.
LOST_RETRY_MS = (1_000, 3_000)
LEAVING_RETRY_MS = (200, 2_000)
SLOW_RETRY_MS = (1_000, 5_000)
REVOKED = "The key that this connection was opened with counts no more"

Delivered = Callable[[Sequence[Delivery]], None]


class EndlessStreams:
    """Implements http.services.EventStreams for a process that may hold connections open."""

    def __init__(
        self,
        readings: Readings,
        gate: Gate,
        arrivals: Arrivals,
        connections: Connections,
        delivered: Delivered,
        now_ms: Callable[[], int],
    ) -> None:
        self.readings = readings
        self.gate = gate
        self.arrivals = arrivals
        self.connections = connections
        self.delivered = delivered
        self.now_ms = now_ms

    async def answer(
        self,
        form: str,
        stream: Stream,
        cursor: Cursor,
        gap: Gap | None,
        principal: Principal,
        headers: Mapping[str, str],
    ) -> EndlessAnswer:
        """Return an answer that lasts as long as its reader.

        Raises:  RateLimited when the tenant has as many open readers as it may have; Overloaded
                 when this one had to wait for its turn for too long.
        """
        self.arrivals.admit()
        await self.gate.open_reader(principal.tenant)
        return EndlessAnswer(self, FORMS[form], stream, cursor, gap, principal, headers)


class EndlessAnswer(StreamedAnswer):
    """One reader's answer."""

    def __init__(
        self,
        streams: EndlessStreams,
        form: EventForm,
        stream: Stream,
        cursor: Cursor,
        gap: Gap | None,
        principal: Principal,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(self._write, form.media_type, {**headers, **STREAM_HEADERS})
        self._streams = streams
        self._form = form
        self._stream = stream
        self._cursor = cursor
        self._gap = gap
        self._tenant = principal.tenant
        self._expiry = CredentialExpiry(principal.expires_at, streams.now_ms)
        self._request_id = ""
        self._told_offset = 0
        self._cycle: Cycle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._request_id = exchange_of(scope).request_id
        self._cycle = cast("Cycle | None", scope.get(PUSHING))
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.gate.close_reader(self._tenant)

    async def _write(self, receive: Receive, send: Send) -> None:
        with self._streams.connections.opened() as connection:
            await chunk(send, self._opening())
            watching = self._watch(receive, connection)
            try:
                async with self._streams.readings.open(self._stream, self._cursor) as reader:
                    connection.interrupts(reader.interrupt)
                    if self._cycle is not None:
                        reader.hand_over(partial(self._push, reader, self._cycle))
                    await self._deliver(reader, connection, send)
            except StreamingError as failure:
                await self._break_off(failure, send)
            finally:
                if watching is not None:
                    watching.cancel()

    def _watch(self, receive: Receive, connection: Connection) -> asyncio.Task[None] | None:
        """Have the client's leaving told to the connection, without a task where that can be."""
        leave = partial(connection.leave, "gone")
        if self._cycle is not None and self._cycle.tell_when_left(leave):
            return None
        return asyncio.ensure_future(_until_gone(receive, connection))

    def _opening(self) -> bytes:
        retry_ms = jittered_ms(*LOST_RETRY_MS)
        if self._gap is not None:
            return self._form.opening(None, retry_ms) + self._form.gap(self._gap)
        position = self._streams.readings.seal.encode(self._stream.stream_id, self._cursor)
        return self._form.opening(position, retry_ms)

    async def _deliver(self, reader: Reader, connection: Connection, send: Send) -> None:
        form, self._told_offset = self._form, reader.offset
        while connection.leaving != "gone":
            deliveries = await reader.take(self._expiry.wait(HEARTBEAT_SECONDS))
            is_silent = not deliveries
            if deliveries:
                self._streams.delivered(deliveries)
                self._told_offset = reader.offset
                sending = chunk(send, b"".join(map(form.result, deliveries)))
                # A peer may take its time over the bytes: the results are let go of meanwhile.
                del deliveries
                await sending
            connection.was_slow = reader.ending == "slow"
            if (farewell := _farewell(form, reader, connection, self._request_id)) is not None:
                await chunk(send, farewell)
                return
            if (seconds := self._expiry.due()) is not None:
                await chunk(send, form.expiring(seconds))
            elif is_silent:
                # Others' results have passed: who comes back need not read them again.
                moved = reader.offset != self._told_offset
                self._told_offset = reader.offset
                position = form.position(reader.cursor_id) if moved else b""
                await chunk(send, position + form.heartbeat)

    def _push(self, reader: Reader, cycle: Cycle) -> bool:
        """Write what has come without waking the task that waits for it, if that is all to do."""
        deliveries = reader.take_now() if cycle.takes_more else []
        if not deliveries:
            return False
        cycle.push(b"".join(map(self._form.result, deliveries)))
        self._streams.delivered(deliveries)
        self._told_offset = reader.offset
        return True

    async def _break_off(self, failure: StreamingError, send: Send) -> None:
        log.warning(
            "a stream of results broke off",
            extra={
                "request_id": self._request_id,
                "stream_id": self._stream.stream_id,
                "reason": failure.code,
            },
        )
        problem = problems.encode(failure, self._request_id)
        await chunk(send, self._form.error(problem, jittered_ms(*LOST_RETRY_MS)))


async def _until_gone(receive: Receive, connection: Connection) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    connection.leave("gone")


def _farewell(
    form: EventForm, reader: Reader, connection: Connection, request_id: str
) -> bytes | None:
    """Return the last bytes of an answer that is over, None while it goes on."""
    if reader.ending == "end":
        return b""
    if reader.ending == "reached":
        return form.position(reader.cursor_id)
    if reader.ending == "slow":
        return form.slow(jittered_ms(*SLOW_RETRY_MS), reader.cursor_id)
    if connection.leaving in ("rotation", "restart"):
        return form.reconnect(jittered_ms(*LEAVING_RETRY_MS), reader.cursor_id)
    if connection.leaving == "expired":
        # It was told a minute ago, and opens the next one at this position.
        return form.position(reader.cursor_id)
    if connection.leaving == "revoked":
        problem = problems.encode(Unauthorized(REVOKED), request_id)
        return form.position(reader.cursor_id) + form.error(problem)
    return None
