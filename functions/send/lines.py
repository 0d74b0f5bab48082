"""NDJSON: lines are stored as they come and answered in order, however many there are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import Any, NamedTuple

import msgspec
from litestar.types import Receive, Scope, Send

from functions.send.splitting import LineSplitter
from streaming_runtime.core.errors import Overloaded, RecordTooLarge, StreamingError
from streaming_runtime.core.model import Stream
from streaming_runtime.core.sending import Sending
from streaming_runtime.http import problems
from streaming_runtime.http.answers import NDJSON, StreamedAnswer, chunk
from streaming_runtime.http.bodies import (
    BODY_SECONDS,
    MAX_LINE_BYTES,
    ClientGone,
    judged,
    timed_out,
)
from streaming_runtime.http.services import Uploads
from streaming_runtime.http.views import receipt_of

# What may be under way for one request; behind it the connection is not read.
WINDOW_RECORDS = 1_000
WINDOW_BYTES = 8 << 20
# Answers that are written together, where so many are there.
WRITTEN_TOGETHER = 200
STOPPED = (
    "The server is being restarted: this line and all behind it are not stored, send them again"
)

Write = Callable[[bytes], Awaitable[None]]


class UnderWay(NamedTuple):
    """A line that is being stored, or was refused: its answer, and the bytes it holds."""

    answer: asyncio.Task[bytes] | bytes
    size: int


class Window:
    """Bounds what is under way; it is one task that enters and another that leaves."""

    def __init__(self) -> None:
        self._records = 0
        self._bytes = 0
        self._room = asyncio.Event()

    async def enter(self, size: int) -> None:
        """Wait until there is room for a line, and take it."""
        while self._is_full_for(size):
            self._room.clear()
            await self._room.wait()
        self._records += 1
        self._bytes += size

    def leave(self, size: int) -> None:
        self._records -= 1
        self._bytes -= size
        self._room.set()

    def _is_full_for(self, size: int) -> bool:
        is_over = self._bytes + size > WINDOW_BYTES
        return self._records >= WINDOW_RECORDS or (is_over and self._records > 0)


class LineSending:
    """The lines of one request: read, sent and answered at the same time."""

    def __init__(
        self, sending: Sending, stream: Stream, traceparent: str | None, request_id: str
    ) -> None:
        self._sending = sending
        self._stream = stream
        self._traceparent = traceparent
        self._request_id = request_id
        self._window = Window()
        self._queue: asyncio.Queue[UnderWay | None] = asyncio.Queue()
        self._is_stopped = False
        self._reading: asyncio.Timeout | None = None

    def stop(self) -> None:
        """Read no more lines: what was read is stored and answered, and the last answer says so."""
        self._is_stopped = True
        if self._reading is not None and not self._reading.expired():
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def run(self, receive: Receive, write: Write) -> None:
        """Store every line of a body and write its answer: one line each, in order.

        Raises:  ClientGone; what was stored by then stays stored.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write_answers(write))
            is_complete = await self._read_lines(receive, tasks)
            self._queue.put_nowait(None)
        if not is_complete:
            raise ClientGone

    async def send_all(self, body: bytes) -> bytes:
        """Store every line of a body that is already here, and return all the answers."""
        answers: list[bytes] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def write(answer: bytes) -> None:
            answers.append(answer)

        await self.run(receive, write)
        return b"".join(answers)

    async def _read_lines(self, receive: Receive, tasks: asyncio.TaskGroup) -> bool:
        """Read to the end of the body; False if the client left before it."""
        splitter = LineSplitter(MAX_LINE_BYTES)
        while True:
            try:
                event: Any = await self._next(receive)
            except TimeoutError:
                why = Overloaded(STOPPED) if self._is_stopped else timed_out()
                await self._window.enter(0)
                self._queue.put_nowait(UnderWay(self._problem(why), 0))
                return True
            if event["type"] == "http.disconnect":
                return False
            for line in splitter.feed(event.get("body", b"")):
                await self._take(line, tasks)
            if not event.get("more_body", False):
                for line in splitter.finish():
                    await self._take(line, tasks)
                return True

    async def _next(self, receive: Receive) -> Any:
        """Return the next piece of the body.

        Raises:  TimeoutError when none comes, or none is to come any more.
        """
        if self._is_stopped:
            raise TimeoutError
        try:
            async with asyncio.timeout(BODY_SECONDS) as self._reading:
                return await receive()
        finally:
            self._reading = None

    async def _take(self, line: bytes | None, tasks: asyncio.TaskGroup) -> None:
        if line is not None and not line.strip():
            return
        size = 0 if line is None else len(line)
        await self._window.enter(size)
        record = RecordTooLarge() if line is None else judged(line)
        if isinstance(record, StreamingError):
            self._queue.put_nowait(UnderWay(self._problem(record), size))
        else:
            # Tasks start in order, so the records enter the producer in order.
            self._queue.put_nowait(UnderWay(tasks.create_task(self._sent(record)), size))

    async def _sent(self, record: bytes) -> bytes:
        try:
            receipt = await self._sending.send(self._stream, record, self._traceparent)
        except StreamingError as failure:
            return self._problem(failure)
        return msgspec.json.encode(receipt_of(self._stream.stream_id, receipt)) + b"\n"

    def _problem(self, failure: StreamingError) -> bytes:
        return problems.encode(failure, self._request_id) + b"\n"

    async def _write_answers(self, write: Write) -> None:
        is_over = False
        while not is_over:
            turn = [await self._queue.get()]
            while not self._queue.empty() and len(turn) < WRITTEN_TOGETHER:
                turn.append(self._queue.get_nowait())
            under_way = [line for line in turn if line is not None]
            is_over = len(under_way) < len(turn)
            answers = [
                line.answer if isinstance(line.answer, bytes) else await line.answer
                for line in under_way
            ]
            if answers:
                await write(b"".join(answers))
            for line in under_way:
                self._window.leave(line.size)


class LinesAnswer(StreamedAnswer):
    """Answers lines while they come."""

    def __init__(
        self, sending: LineSending, headers: Mapping[str, str], uploads: Uploads | None = None
    ) -> None:
        super().__init__(self._write, NDJSON, headers)
        self._sending = sending
        self._uploads = uploads
        self._first: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The first piece before the head: asking for it is what tells a client that waits for
        # "100 Continue" to go on, and the final status instead of it would make it stop.
        try:
            self._first = await _within_time(receive)
        except TimeoutError:
            raise timed_out() from None
        await super().__call__(scope, receive, send)

    async def _write(self, receive: Receive, send: Send) -> None:
        async def from_first() -> Any:
            first, self._first = self._first, None
            return first or await receive()

        with self._uploads.uploading() if self._uploads else nullcontext() as upload:
            if upload is not None:
                upload.interrupts(self._sending.stop)
            await self._sending.run(from_first, lambda answer: chunk(send, answer))


async def _within_time(receive: Receive) -> Any:
    """Return the next piece; lines may come for hours, but something must come now and then."""
    async with asyncio.timeout(BODY_SECONDS):
        return await receive()
