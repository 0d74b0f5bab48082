"""A small HTTP/1.1 server that keeps what a client sent as it was sent: events carry it on."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import responses

import h11

MAX_BODY_BYTES = 10 * 1024 * 1024  # API Gateway's own limit.
IDLE_SECONDS = 75.0
READ_BYTES = 64 * 1024
# A client that reads nothing keeps what is written to it from ever being gone.
CLOSE_SECONDS = 1.0
Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """Shape:   header names as the client wrote them; ``target`` undecoded, with its query."""

    method: str
    target: str
    headers: Headers
    body: bytes
    client: str
    # Bytes that came behind the head of an upgrade.
    rest: bytes = b""

    @property
    def raw_path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def raw_query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str:
        """Return a header's value, those of several joined; empty if there is none."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)


class Taken:
    """The connection was handed on, and whoever has it closes it."""


TAKEN = Taken()
Answering = Callable[
    [Request, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Reply | Taken]
]


class HttpServer:
    """Serves one port, each connection in a task of its own."""

    def __init__(self, answer: Answering) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, host: str, port: int) -> int:
        """Listen, and return the port.

        Raises:  OSError if it cannot be listened on.
        """
        self._server = await asyncio.start_server(self._accept, host, port)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def close(self) -> None:
        """End all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while True:
                request = await _request(connection, reader, writer)
                if request is None:
                    return
                answer = await self._answer(request, reader, writer)
                if isinstance(answer, Taken):
                    return
                await _reply(connection, writer, answer)
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    return
                connection.start_next_cycle()
        except (OSError, TimeoutError):
            pass  # The client is gone, or has nothing more to ask.
        except h11.RemoteProtocolError as wrong:
            with suppress(h11.LocalProtocolError, OSError):
                await _reply(connection, writer, Reply(wrong.error_status_hint, b"Bad request"))
        finally:
            await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await writer.wait_closed()
    except OSError:  # TimeoutError is one.
        writer.transport.abort()


async def _request(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Request | None:
    """Read one whole request; None when the client has closed, or its body is too long."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = await _event(connection, reader, writer)
        if isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_BODY_BYTES:
                too_long = Reply(413, b'{"message":"Request Too Long"}', [("Connection", "close")])
                await _reply(connection, writer, too_long)
                return None
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return _of(head, bytes(body), connection, writer)
        else:
            return None


async def _event(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        if connection.they_are_waiting_for_100_continue:
            writer.write(_sent(connection, h11.InformationalResponse(status_code=100, headers=[])))
        async with asyncio.timeout(IDLE_SECONDS):
            connection.receive_data(await reader.read(READ_BYTES))
    return event


def _of(
    head: h11.Request, body: bytes, connection: h11.Connection, writer: asyncio.StreamWriter
) -> Request:
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in head.headers.raw_items()
    ]
    peer = writer.get_extra_info("peername")
    return Request(
        method=head.method.decode("latin-1"),
        target=head.target.decode("latin-1"),
        headers=headers,
        body=body,
        client=str(peer[0]) if peer else "",
        rest=connection.trailing_data[0],
    )


async def _reply(connection: h11.Connection, writer: asyncio.StreamWriter, answer: Reply) -> None:
    kept = [(n, v) for n, v in answer.headers if n.lower() not in ("content-length", "connection")]
    has_body = answer.status not in (204, 304)
    length = [("Content-Length", str(len(answer.body)))] if has_body else []
    closing = [(n, v) for n, v in answer.headers if n.lower() == "connection"]
    headers = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in [*kept, *length, *closing]]
    reason = responses.get(answer.status, "").encode()
    start = h11.Response(status_code=answer.status, headers=headers, reason=reason)
    writer.write(_sent(connection, start))
    if has_body:
        writer.write(_sent(connection, h11.Data(data=answer.body)))
    writer.write(_sent(connection, h11.EndOfMessage()))
    await writer.drain()


def _sent(
    connection: h11.Connection,
    event: h11.InformationalResponse | h11.Response | h11.Data | h11.EndOfMessage,
) -> bytes:
    return connection.send(event) or b""
