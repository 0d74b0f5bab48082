"""uvicorn's protocols with what they lack: a peer that stopped reading is cut off for good."""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from streaming_runtime.core.errors import InvalidParameter
from streaming_runtime.live.gathering import GatheringTransport
from streaming_runtime.live.request_limits import RequestLimited, answer

STALL_SECONDS = 10.0
# Linger on, for 0 s: closing sends a reset and frees the send buffer. Without it the kernel keeps
# the unsent bytes (92 KB measured) in a FIN_WAIT1 row for minutes.
NO_LINGER = struct.pack("ii", 1, 0)


class _StallAbort(asyncio.Protocol):
    """Mixin: aborts the connection when its write buffer has not shrunk for STALL_SECONDS.

    ``transport.close()`` is not enough: asyncio keeps a closing transport until its buffer drains,
    which a peer with a zero window never allows.
    """

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _stall_timer: asyncio.TimerHandle | None = None
    _stalled_bytes = 0

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall_timer is None:
            self._watch_stall()

    def resume_writing(self) -> None:
        self._forget_stall()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_stall()
        super().connection_lost(exc)

    def _watch_stall(self) -> None:
        self._stalled_bytes = self.transport.get_write_buffer_size()
        self._stall_timer = self.loop.call_later(STALL_SECONDS, self._on_stall)

    def _on_stall(self) -> None:
        if self.transport.get_write_buffer_size() < self._stalled_bytes:
            self._watch_stall()  # Slow, but it reads.
            return
        self._stall_timer = None
        peer = self.transport.get_extra_info("socket")
        if peer is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.transport.abort()

    def _forget_stall(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None


class HttpProtocol(_StallAbort, RequestLimited):
    """HTTP/1.1 with gathered writes, stall abort and bounded heads."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A WebSocket that the connection is upgraded to gets this transport too.
        gathering = GatheringTransport(cast(asyncio.Transport, transport), self.loop)
        super().connection_made(cast(asyncio.Transport, gathering))

    def handle_websocket_upgrade(self) -> None:
        self._forget_stall()  # The transport goes to another protocol object.
        super().handle_websocket_upgrade()


class WebSocketProtocol(_StallAbort, WebSocketsSansIOProtocol):
    """WebSocket with stall abort, and our own words for a handshake that is none."""

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

    def _refuse(self) -> None:
        self.transport.write(answer(InvalidParameter("This is not a valid WebSocket handshake")))
        self.transport.close()
