"""Limits on a request that uvicorn's parser lacks: bytes and fields of its head, and time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from streaming_runtime.core.errors import (
    HeadTooLarge,
    InvalidParameter,
    Overloaded,
    RequestTimeout,
    StreamingError,
)
from streaming_runtime.http.bodies import BODY_SECONDS, MIN_BODY_BYTES_PER_SECOND
from streaming_runtime.http.edge import Exchange
from streaming_runtime.live.lingering import Lingering
from streaming_runtime.live.request_meaning import fault_of

MAX_HEAD_BYTES = 16 << 10
MAX_HEAD_FIELDS = 64
HEAD_SECONDS = 10.0
# Between a field's name and its value, and behind it.
FIELD_OVERHEAD = 4
# What a chunked body may have around its bytes: so much for each chunk, and this for all of it.
CHUNK_OVERHEAD = 16
MAX_OVERHEAD_BYTES = 16 << 10
# For a body that is still on its way when the server has told all others to go.
LAST_BODY_SECONDS = 1.0
NOT_IN_TURN = "A WebSocket is opened behind the answers to all that was sent before it"
STOPPED = "The server is being restarted: nothing of this request is stored, send it again"


class _Refused(Exception):
    """Raised through the parser, which then stops."""


class RequestLimited(Lingering):
    """HTTP/1.1 with bounded requests; what breaks a limit is answered and the connection closed.

    Measured: without it a head of 20 MB or 200,000 fields is accepted, and half a head or half a
    body keeps a connection open for ever.
    """

    _timer: asyncio.TimerHandle | None = None
    _is_in_head = False
    _is_in_body = False
    _body_bytes = 0
    _overhead_bytes = 0
    _body_began = 0.0
    # Whether what is being parsed is not the head's first portion: one alone is never too large.
    _is_head_longer = False
    # What came since the head began, for a field that never ends: the parser shows whole ones only.
    _unfinished_bytes = 0
    _refusal: StreamingError | None = None
    # What comes behind a request that cannot be read is no request. It is answered in its turn.
    _last_word: StreamingError | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._start_timer(HEAD_SECONDS, self._on_head_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.is_lingering or self._last_word is not None:
            return
        if not (self._is_in_head or self._is_in_body) and not (data := self.take_plain(data)):
            if self._timer is not None:
                self._stop_timer()
            return
        was_in_head = self._is_head_longer = self._is_in_head
        if self._is_in_body:
            self._overhead_bytes += len(data)
        super().data_received(data)
        if self.is_lingering or self.transport.is_closing():
            return
        # A request that came whole, as nearly all do, needs no timer.
        if self._is_in_body:
            self._body_bytes += len(data)
            if self._overhead_bytes > MAX_OVERHEAD_BYTES:
                self._refuse(InvalidParameter("The chunks of the body are mostly not the body"))
            elif self._timer is None:
                self._body_began = self.loop.time()
                self._start_timer(BODY_SECONDS, self._on_body_timeout)
        elif self._is_in_head:
            if self._timer is None:
                self._start_timer(HEAD_SECONDS, self._on_head_timeout)
            if was_in_head:
                self._unfinished_bytes += len(data)
            if self._unfinished_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_HEAD_FIELDS:
                self._refuse(HeadTooLarge())

    def on_message_begin(self) -> None:
        self._is_in_head = True
        self._is_head_longer = False
        self._unfinished_bytes = self._body_bytes = self._overhead_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Behind a body in chunks stand trailers, which are no fields of the head, and blanks around
        # a value are no part of it. Source: RFC 9110, sections 5.5 and 6.5.1.
        if self._is_in_head:
            super().on_header(name, value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        if len(self.headers) > MAX_HEAD_FIELDS or (self._is_head_longer and self._is_head_large()):
            self._stop_parser(HeadTooLarge())
        method, version = self.parser.get_method(), self.parser.get_http_version()
        fault = fault_of(method, self.url, version, self.headers)
        if fault is not None:
            self._stop_parser(InvalidParameter(fault))
        if self._answering is not None and self.parser.should_upgrade() and self._should_upgrade():
            # What opens a socket is answered at once, and would overtake the answers before it.
            self._stop_parser(InvalidParameter(NOT_IN_TURN))
        self._is_in_head, self._is_in_body = False, True
        if self._timer is not None:
            self._stop_timer()
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        self._overhead_bytes -= CHUNK_OVERHEAD

    def on_body(self, body: bytes) -> None:
        self._overhead_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_body = False
        if self._timer is not None:
            self._stop_timer()
        super().on_message_complete()

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio.Protocol has it
        """Answer what has come: who has said all may still listen. Then close."""
        cycle = self._answering
        if cycle is None or cycle.more_body or cycle.response_started:
            # Ours, and not the event loop's own: what was gathered is written first.
            self.transport.close()
        else:
            last = self.pipeline[-1] if self.pipeline else cycle
            last.keep_alive = False
        return True

    def shutdown(self) -> None:
        super().shutdown()
        if self._is_in_body and not self.is_lingering and not self.cycle.response_started:
            self._stop_timer()
            self._start_timer(LAST_BODY_SECONDS, lambda: self._refuse(Overloaded(STOPPED)))

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal or InvalidParameter("This is not a valid HTTP/1.1 request"))

    def _is_head_large(self) -> bool:
        size = sum(len(name) + len(value) + FIELD_OVERHEAD for name, value in self.headers)
        return size + len(self.url) > MAX_HEAD_BYTES

    def _stop_parser(self, refusal: StreamingError) -> None:
        self._refusal = refusal
        raise _Refused

    def _start_timer(self, seconds: float, on_timeout: Callable[[], None]) -> None:
        self._timer = self.loop.call_later(seconds, on_timeout)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_head_timeout(self) -> None:
        self._timer = None
        if self._is_in_head:
            self._refuse(RequestTimeout())
        else:
            self.transport.close()

    def _on_body_timeout(self) -> None:
        self._timer = None
        if self.cycle.response_started:
            return  # Answered while it comes: whoever answers has a deadline of its own.
        seconds = self.loop.time() - self._body_began
        if self._body_bytes < seconds * MIN_BODY_BYTES_PER_SECOND:
            self._refuse(RequestTimeout())
        else:
            self._start_timer(1.0, self._on_body_timeout)

    def _refuse(self, error: StreamingError) -> None:
        """Answer with a problem and close; behind the answers to what came before it."""
        self._stop_timer()
        if self._is_next_answer():
            method = "" if self.scope is None else self.scope.get("method", "")
            self._say_last(error, method, self._leave_exchange())
        else:
            self._refuse_in_turn(error)

    def _refuse_in_turn(self, error: StreamingError) -> None:
        if self.pipeline and self.pipeline[-1].more_body:
            self.pipeline.pop()  # It is the one that cannot be read.
        cycle = self._answering
        if cycle is None or cycle.more_body or cycle.response_started:
            self.transport.close()
        else:
            self._last_word = error

    def _wait_for_next(self) -> None:
        if self._last_word is None:
            super()._wait_for_next()
        else:
            self._say_last(self._last_word, "", None)

    def _say_last(self, error: StreamingError, method: str, exchange: Exchange | None) -> None:
        self.transport.write(self.server_state.refusals.answer(error, method, exchange))
        self.linger()

    def _leave_exchange(self) -> Exchange | None:
        """Tell the request whose body was being read that nothing more comes of it."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return None
        self._is_to_begin = False
        cycle.leave()
        return cast("Exchange | None", cycle.scope.get("millrace"))

    def _is_next_answer(self) -> bool:
        """Say whether what is written now is taken for the answer to what cannot be read."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return True
        # The fault is in the body of the one request that is under way, and not answered yet.
        return cycle.more_body and not cycle.response_started and not self.pipeline
