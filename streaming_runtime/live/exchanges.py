"""HTTP/1.1 whose requests become cycles of ours, one after the other on each connection."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Any
from urllib.parse import unquote

from httptools import parse_url
from litestar.types import ASGIApp
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from streaming_runtime.core.principals import Principal
from streaming_runtime.live.arrivals import is_endless
from streaming_runtime.live.cycle import Cycle
from streaming_runtime.live.plain_send import PlainSend, read
from streaming_runtime.live.state import LiveState

# Sends of one connection that are stored before the first of them is answered.
MOST_AHEAD = 32
ASGI = {"version": "3.0", "spec_version": "2.3"}


class Exchanges(HttpToolsProtocol):
    """uvicorn's protocol up to the parser, with cycles and the time between them of our own.

    Shape:   ``cycle`` is the newest, ``pipeline`` holds those that came before their turn.
    """

    server_state: LiveState
    cycle: Any
    pipeline: deque[Any]
    caller: tuple[bytes, Principal] | None = None
    _answering: Cycle | None = None
    # Its turn has come, and perhaps the rest of it is in what was read with its head.
    _is_to_begin = False
    # What was looked at as a plain send need not be looked at once more behind the parser.
    _is_for_application = False
    # Whether the request that is being read became a cycle: one that is upgraded does not.
    _is_ours = False
    # One timer for a connection, looked at when it fires: one for each request costs more.
    _idle_timer: asyncio.TimerHandle | None = None
    _idle_since: float | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)
        for cycle in (self.cycle, self._answering, *self.pipeline):
            if cycle is not None and not cycle.response_complete:
                cycle.leave()
        self.pipeline.clear()
        self.flow.resume_writing()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if exc is None:
            self.transport.close()
        self.parser = None  # type: ignore[assignment]

    def common_head(self) -> bytes:
        return self.server_state.common_head()

    def on_message_begin(self) -> None:
        # Only a request ends the time of a connection without one: empty lines do not.
        self._idle_since = None
        self._is_ours = False
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.scope = None  # type: ignore[assignment]

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser = self.parser
        version = parser.get_http_version()
        target = parse_url(self.url)
        path = target.path.decode("ascii")
        self.scope = {
            "type": "http",
            "asgi": ASGI,  # type: ignore[typeddict-item]
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,  # type: ignore[typeddict-item]
            "method": parser.get_method().decode("ascii"),
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": target.path,
            "query_string": target.query or b"",
            "headers": self.headers,
            "state": {},
        }
        if parser.should_upgrade() and self._should_upgrade():
            return
        self._is_ours = True
        goes_on = version != "1.0" and parser.should_keep_alive()
        goes_on = goes_on and not self.server_state.is_leaving
        self.cycle = Cycle(self, self.scope, goes_on, self.expect_100_continue)
        if self._answering is None:
            self._answering = self.cycle
            self._is_to_begin = True
        else:
            self.flow.pause_reading()
            self.pipeline.append(self.cycle)

    def take_plain(self, data: bytes) -> bytes:
        """Begin the plain sends that these bytes begin with; the rest is left to the parser.

        Shape:   only between two requests. Those that come while others are under way are stored
                 at once, in their order, and their answers wait for their turn: each adds a record
                 and sees nothing of another, so that whoever waits for the answers cannot tell.
        Source:  RFC 9112, section 9.3.2: answers in the order of requests. What it allows only for
                 safe methods is to run requests side by side whose order could matter.
        """
        while data and self._may_go_ahead() and (found := read(data)) is not None:
            plain, rest = found
            if not self._goes_ahead(plain):
                self._is_for_application = self._answering is None
                break
            data = rest
        return data

    def _may_go_ahead(self) -> bool:
        state = self.server_state
        if state.quick_plain is None or state.is_leaving or self.flow.write_paused:
            return False
        last = self.pipeline[-1] if self.pipeline else self._answering
        if last is None:
            return True
        # A send that the application answers has a scope by now, and more to it than a record.
        return last.scope is None and len(self.pipeline) < MOST_AHEAD

    def _goes_ahead(self, plain: PlainSend) -> bool:
        take = self.server_state.quick_plain
        assert take is not None
        cycle = Cycle(self, None, keep_alive=True, wants_continue=False)
        cycle.more_body = False
        before, self.cycle = self.cycle, cycle
        # Before it is taken: it may be answered before that returns.
        if self._answering is None:
            self._answering = cycle
        else:
            cycle.is_ahead = True
            self.pipeline.append(cycle)
        if take(cycle, plain):
            if self._answering is not None:
                self._idle_since = None
            return True
        self.cycle = before
        if cycle.is_ahead:
            self.pipeline.pop()
        else:
            self._answering = None
        return False

    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        if not self._is_ours or cycle.response_complete:
            return
        cycle.add(body)
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        if self._is_ours and not self.cycle.response_complete:
            self.cycle.complete()
            if self._is_to_begin:
                self.begin()

    def begin(self) -> None:
        """Begin the exchange whose turn it is, if it has not begun."""
        if self._is_to_begin and self._answering is not None:
            self._is_to_begin = False
            self._begin(self._answering)

    def answered(self, cycle: Cycle) -> None:
        """Begin the next exchange, or wait for it; behind the last one, leave."""
        self._answering = None
        self.server_state.total_requests += 1
        # An answer that began before the server was told to stop could not say that it is the last.
        if self.pipeline and self.pipeline[0].is_ahead:
            self._answering = self.pipeline.popleft()
            self._answering.take_turn()
        elif self.server_state.is_leaving or not cycle.keep_alive:
            self.on_last_answer()
        elif not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._begin(self.pipeline.popleft())
            else:
                self._wait_for_next()

    def on_last_answer(self) -> None:
        """Close the connection."""
        self.transport.close()

    def _begin(self, cycle: Cycle) -> None:
        self._answering = cycle
        quick = self.server_state.quick_answer
        is_slow = self._is_for_application or cycle.more_body or self.flow.write_paused
        self._is_for_application = False
        if not is_slow and quick is not None and quick(cycle):
            return
        if is_endless(cycle.scope):
            self.server_state.arrivals.enter(partial(self._run_if_there, cycle))
        else:
            self.run(cycle, self.app)

    def _run_if_there(self, cycle: Cycle) -> None:
        if not cycle.disconnected:
            self.run(cycle, self.app)

    def run(self, cycle: Cycle, app: ASGIApp) -> None:
        """Have an application answer a request, in a task of its own."""
        task = self.loop.create_task(cycle.run(app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _wait_for_next(self) -> None:
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

    def _close_if_idle(self) -> None:
        self._idle_timer = None
        if self._idle_since is None or self.transport.is_closing():
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._close_if_idle)
        else:
            self.transport.close()
