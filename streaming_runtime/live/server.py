"""The server process: its socket, its signals, and a shutdown that ends readers before it waits."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from litestar.types import ASGIApp

from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.settings import HttpSettings
from streaming_runtime.http.services import Observer
from streaming_runtime.live.arrivals import Arrivals
from streaming_runtime.live.connections import Connections
from streaming_runtime.live.protocols import HttpProtocol, WebSocketProtocol
from streaming_runtime.live.quick_sends import QuickSends
from streaming_runtime.live.state import LiveState

log = logging.getLogger("millrace.live.server")

BACKLOG = 4_096
# Accepted sockets inherit it; without it a stalled reader swallows 2.9 MB of kernel memory. The
# kernel doubles it and goes a little beyond: 132 KB of 64, and 128 are promised.
SEND_BUFFER_BYTES = 56 << 10
# A peer that is gone without a word is noticed after this long without an acknowledgement.
USER_TIMEOUT_MS = 30_000
# Above the 60 s of common load balancers: who closes an idle connection first must be them.
KEEP_ALIVE_SECONDS = 75
MAX_WEBSOCKET_BYTES = 300 << 10
PING_SECONDS = 20.0
# How long a stopping server still accepts, at most; half of it when nobody is connected.
LISTEN_SECONDS = 1.0
TOLD_SECONDS = 0.5
# What is not answered this long after the drain window is cut off: with the second in which the
# last readers leave, and what closing Kafka takes, it makes the 5 s of the contract.
LAST_ANSWERS_SECONDS = 3
STOPPING_SIGNALS = (signal.SIGTERM, signal.SIGINT)
KILLED_BY = 128  # As a shell tells it: this and the signal's number.


class DrainingServer(uvicorn.Server):
    """A uvicorn server that ends open streams, spread over a window, before it waits for them.

    uvicorn waits for every open response; an SSE response never ends by itself, so without this a
    SIGTERM hangs until the orchestrator kills the process.
    """

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        connections: Connections,
        drain_seconds: float,
        end_waits: Callable[[], None],
        observer: Observer,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=HttpProtocol,
                ws=WebSocketProtocol,
                interface="asgi3",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=LAST_ANSWERS_SECONDS,
                ws_max_size=MAX_WEBSOCKET_BYTES,
                ws_ping_interval=PING_SECONDS,
                ws_ping_timeout=PING_SECONDS,
                ws_per_message_deflate=False,
            )
        )
        self.server_state: LiveState = LiveState(asyncio.get_running_loop(), observer)
        self._listener = listener
        self._connections = connections
        self._drain_seconds = drain_seconds
        self._end_waits = end_waits

    @property
    def is_leaving(self) -> bool:
        return self.server_state.is_leaving

    def answer_first(self, quick: QuickSends) -> None:
        """Ask for each request that has come whole whether it can be answered at once."""
        self.server_state.quick_answer = quick.take
        self.server_state.quick_plain = quick.take_plain

    def begin_in_turn(self, arrivals: Arrivals) -> None:
        """Let new readers begin one after the other."""
        self.server_state.arrivals = arrivals

    async def run_until_told(self) -> None:
        """Serve until ``leave`` or a signal, then drain; a second signal ends all at once."""
        loop = asyncio.get_running_loop()
        for number in STOPPING_SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)
        await self.serve([self._listener])

    def leave(self) -> None:
        """Turn unready, and begin to drain."""
        self.server_state.is_leaving = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # For a moment it still accepts, so that whoever asks for our health is told, and not cut.
        grace = min(LISTEN_SECONDS, self._drain_seconds / 2)
        closing = asyncio.get_running_loop().call_later(grace, self._stop_accepting)
        try:
            await asyncio.sleep(min(TOLD_SECONDS, grace))
            await self._connections.drain(max(0.0, self._drain_seconds - TOLD_SECONDS))
        finally:
            closing.cancel()
        self._stop_accepting()
        # Who waits for a page or for the result of a send is answered with what there is.
        self._end_waits()
        await super().shutdown(sockets)
        # Who has not taken its last bytes by now would leave them to the kernel.
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def _stop_accepting(self) -> None:
        for server in self.servers:
            server.close()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # Ours are on the loop: uvicorn's would be raised again at its end, past every finally.
        yield

    def _on_signal(self, number: int) -> None:
        end_at_signals()
        log.info("stopping", extra={"signal": signal.Signals(number).name})
        self.leave()


def end_at_signals() -> None:
    """Have the next signal end the process at once, whatever its loop does.

    It is needed before the server serves as well: in a container nobody is there whose default
    would do it, since the kernel passes over a first process without a handler. A stop that came
    while Kafka was looked for was lost for good, and its readers were cut off in the end.
    """
    for number in STOPPING_SIGNALS:
        signal.signal(number, _end_at_once)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(KILLED_BY + number)


@contextmanager
def listening(settings: HttpSettings) -> Iterator[socket.socket]:
    """Listen with the buffers and timers that every connection inherits.

    Raises:  ConfigurationInvalid if the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        try:
            listener.bind((settings.host, settings.port))
            listener.listen(BACKLOG)
        except OSError as exc:
            raise ConfigurationInvalid(
                f"HOST and PORT ({settings.host}, {settings.port}) cannot be listened on:"
                f" {exc.strerror}"
            ) from exc
        listener.setblocking(False)
        yield listener


def raise_descriptor_limit() -> None:
    """Allow as many open sockets as the system lets us: the usual 1,024 are too few for readers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
