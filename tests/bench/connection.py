"""Keep-alive connections, each with one request under way at most, as real clients have them."""

import asyncio
from collections import deque
from time import perf_counter
from typing import NamedTuple, Protocol, cast

from tests.bench.answers import NotHttp, parse_answer
from tests.bench.ledger import NO_ANSWER

CONNECT_SECONDS = 10.0
REOPEN_SECONDS = 0.1


class Asked(NamedTuple):
    """One request: a number to know its answer by, the stream it is for, its bytes."""

    number: int
    stream: int
    wire: bytes


class Work(Protocol):
    """What a pool sends: it asks for the next request whenever a connection is idle."""

    def next(self) -> Asked | None:
        """Return the next request, None while there is nothing to do."""

    def answered(self, number: int, status: int, body: bytes, now: float) -> None:
        """Take the answer; the status is ``NO_ANSWER`` where the connection broke."""


class Connection(asyncio.Protocol):
    """One connection of a pool."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._number: int | None = None  # Of the request under way.
        self._rest = b""

    def ask(self, asked: Asked) -> None:
        """Send a request; only an idle connection is asked."""
        assert self._transport is not None
        self._number = asked.number
        self._transport.write(asked.wire)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        if self._rest:
            data = self._rest + data
        try:
            answer = parse_answer(data)
        except NotHttp as problem:
            self._finish(NO_ANSWER, str(problem).encode(), now)
            self.close()
            return
        if answer is None:
            self._rest = data
            return
        self._rest = data[answer.size :]
        self._finish(answer.status, answer.body, now)
        self._pool.offer(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(NO_ANSWER, f"the connection broke: {exc or 'closed'}".encode(), perf_counter())
        self._pool.lost(self)

    def _finish(self, status: int, body: bytes, now: float) -> None:
        number, self._number = self._number, None
        if number is not None:
            self._pool.work.answered(number, status, body, now)


class Nothing:
    """The work of a pool that has none."""

    def next(self) -> Asked | None:
        return None

    def answered(self, number: int, status: int, body: bytes, now: float) -> None:
        """Too late to matter: the run it belongs to is over."""


class Pool:
    """A fixed number of connections; one that breaks is opened again."""

    def __init__(self, host: str, port: int, size: int) -> None:
        self.work: Work = Nothing()
        self._host, self._port, self._size = host, port, size
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._reopening: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def open(self) -> None:
        """Open all.

        Raises:  OSError if the server cannot be reached.
        """
        for _ in range(self._size):
            await self._connect()

    def close(self) -> None:
        self._is_closed = True
        for task in self._reopening:
            task.cancel()
        for connection in self._open:
            connection.close()

    def pump(self) -> None:
        """Give work to idle connections while there is some."""
        while self._idle and (asked := self.work.next()) is not None:
            self._idle.popleft().ask(asked)

    def offer(self, connection: Connection) -> None:
        """Give an idle connection work, or keep it for later."""
        if (asked := self.work.next()) is not None:
            connection.ask(asked)
        else:
            self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """Forget a connection and open another."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._is_closed:
            task = asyncio.ensure_future(self._reopen())
            self._reopening.add(task)
            task.add_done_callback(self._reopening.discard)

    async def _reopen(self) -> None:
        while True:
            await asyncio.sleep(REOPEN_SECONDS)
            try:
                await self._connect()
            except OSError:
                continue
            return

    async def _connect(self) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self), self._host, self._port
            )
        self._open.add(connection)
        self.offer(connection)
