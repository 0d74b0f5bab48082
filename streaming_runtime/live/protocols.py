"""uvicorn's protocols with what they lack: bounds on what one connection may hold, and for long."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request

from streaming_runtime.core.errors import InvalidParameter, Overloaded
from streaming_runtime.live.close_codes import RESTART
from streaming_runtime.live.gathering import GatheringTransport
from streaming_runtime.live.lingering import ClosedInTime
from streaming_runtime.live.portions import Portioned
from streaming_runtime.live.request_limits import RequestLimited
from streaming_runtime.live.state import LiveState

# A message may come in pieces, but not in pieces of nothing without end.
MAX_FRAGMENTS = 1_000
# Whoever writes waits from here on: what else it has at hand is shared with other readers.
HIGH_WATER_BYTES = 32 << 10
TOO_BIG = 1009
NO_TEXT = 1007


class HttpProtocol(Portioned, RequestLimited):
    """HTTP/1.x with gathered writes, stall abort and bounded requests."""

    server_state: LiveState

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stalls = self.server_state.stalls
        # A WebSocket that the connection is upgraded to gets this transport too.
        gathering = GatheringTransport(cast(asyncio.Transport, transport), self.loop, stalls)
        gathering.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        super().connection_made(cast(asyncio.Transport, gathering))
        if len(self.connections) > self.server_state.most_connections:
            # To every kind of client that is a network error, after which it tries again.
            self.server_state.refusals.count(Overloaded())
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        cast(GatheringTransport, self.transport).lost()

    def is_reading_paused(self) -> bool:
        return self.flow.read_paused


class WebSocketProtocol(Portioned, ClosedInTime, WebSocketsSansIOProtocol):
    """WebSocket with bounded memory, and our own words for a handshake that is none."""

    server_state: LiveState

    def __init__(self, config: Any, server_state: LiveState, app_state: dict[str, Any]) -> None:
        super().__init__(config, server_state, app_state)
        self.server_state = server_state

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        cast(GatheringTransport, self.transport).lost()

    def shutdown(self) -> None:
        """Say goodbye to who was not told by the application; in any case wait for the answer.

        A close with something unread would reset the connection, and what was written with it.
        """
        if not self.handshake_complete:
            super().shutdown()
            return
        if self.transport.is_closing():
            return  # Its client has said goodbye; the last bytes are on their way.
        self.stop_keepalive()
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_in_time()
        if not self.close_sent:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": RESTART})
            self.conn.send_close(RESTART)
            self.transport.write(b"".join(self.conn.data_to_send()))
            # From here on nothing is taken, and whoever sends is told that nobody is there.
            self.close_sent = self.disconnected = True
            self.read_paused = False
            self._resume_reading()

    def is_reading_paused(self) -> bool:
        return self.read_paused or not self.writable.is_set()

    def pause_writing(self) -> None:
        super().pause_writing()
        # The parser answers pings by itself: who sends them and reads no answer is not read either.
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._resume_reading()

    async def receive(self) -> Any:
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self._resume_reading()
        return message

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # A head that this parser does not read, and the one before it did: with a body, or a
            # line over 8 KiB. uvicorn would neither answer nor close.
            self._refuse()

    def handle_connect(self, event: Request) -> None:
        if self.conn.accept(event).status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            super().handle_connect(event)
        else:
            self._refuse()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                # uvicorn logs a client's mistake as a fault of its own, with a trace.
                self.frames = []
                self.conn.send_close(NO_TEXT)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def handle_cont(self, event: Frame) -> None:
        if self.close_sent:
            return
        if len(self.frames) >= MAX_FRAGMENTS:
            self.conn.fail(TOO_BIG, "too many fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def _resume_reading(self) -> None:
        if not self.is_reading_paused() and not self.transport.is_closing():
            self.transport.resume_reading()

    def _refuse(self) -> None:
        if self.transport.is_closing():
            return
        refusal = InvalidParameter("This is not a valid WebSocket handshake")
        self.transport.write(self.server_state.refusals.answer(refusal, "GET"))
        self.transport.close()
