"""NDJSON: lines are stored as they come and answered in order, however many there are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

from litestar.types import Receive, Scope, Send

from functions.send.batches import send_judged
from functions.send.splitting import LineSplitter
from streaming_runtime.core.errors import (
    Overloaded,
    RateLimited,
    RecordTooLarge,
    StreamingError,
    Unauthorized,
)
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
from streaming_runtime.http.services import Upload, Uploads
from streaming_runtime.http.views import receipt_line

# What may be under way for one request; behind it the connection is not read.
WINDOW_RECORDS = 4_000
WINDOW_BYTES = 8 << 20
# Lines that are stored and answered together, where so many are there: fewer bytes than these in
# one go, so that judging them holds up nobody.
PORTION_RECORDS = 250
PORTION_BYTES = 256 << 10
STOPPED = (
    "The server ends this request: this line and all behind it are not stored, send them again"
)
EXPIRED = "The credential of this request has ended: this line and all behind it are not stored"

# None stands for a line that is too long.
Portion = list[bytes | None]
Write = Callable[[bytes], Awaitable[None]]


class UnderWay(NamedTuple):
    """Lines that are being stored or were refused: their answers, and what they hold."""

    answers: asyncio.Task[bytes] | bytes
    records: int
    size: int


class Window:
    """Bounds what is under way; it is one task that enters and another that leaves."""

    def __init__(self) -> None:
        self._records = 0
        self._bytes = 0
        self._room = asyncio.Event()

    async def enter(self, records: int, size: int) -> None:
        """Wait until there is room for so many lines, and take it."""
        while self._is_full_for(records, size):
            self._room.clear()
            await self._room.wait()
        self._records += records
        self._bytes += size

    def leave(self, records: int, size: int) -> None:
        self._records -= records
        self._bytes -= size
        self._room.set()

    def _is_full_for(self, records: int, size: int) -> bool:
        is_over = self._records + records > WINDOW_RECORDS or self._bytes + size > WINDOW_BYTES
        return is_over and self._records > 0


class LineSending:
    """The lines of one request: read, sent and answered at the same time."""

    def __init__(
        self,
        sending: Sending,
        stream: Stream,
        traceparent: str | None,
        request_id: str,
        count: Callable[[int, int], Awaitable[object]] | None,
    ) -> None:
        self._count = count
        self._sending = sending
        self._stream = stream
        self._traceparent = traceparent
        self._request_id = request_id
        self._window = Window()
        self._queue: asyncio.Queue[UnderWay | None] = asyncio.Queue()
        self._stopped_by: StreamingError | None = None
        self._reading: asyncio.Timeout | None = None

    def stop(self, *, has_expired: bool = False) -> None:
        """Read no more lines: what was read is stored and answered, and the last answer says so.

        Shape:   ``has_expired`` where the request's credential ended: nothing is to be sent again.
        """
        self._stopped_by = Unauthorized(EXPIRED) if has_expired else Overloaded(STOPPED)
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
                why = self._stopped_by or timed_out()
                await self._window.enter(1, 0)
                self._queue.put_nowait(UnderWay(self._problem(why), 1, 0))
                return True
            if event["type"] == "http.disconnect":
                return False
            is_last = not event.get("more_body", False)
            lines = splitter.feed(event.get("body", b""))
            for portion in portions(lines + splitter.finish() if is_last else lines):
                await self._take(portion, tasks)
            if is_last:
                return True

    async def _next(self, receive: Receive) -> Any:
        """Return the next piece of the body.

        Raises:  TimeoutError when none comes, or none is to come any more.
        """
        if self._stopped_by is not None:
            raise TimeoutError
        try:
            async with asyncio.timeout(BODY_SECONDS) as self._reading:
                return await receive()
        finally:
            self._reading = None

    async def _take(self, lines: Portion, tasks: asyncio.TaskGroup) -> None:
        size = sum(len(line) for line in lines if line is not None)
        await self._window.enter(len(lines), size)
        records = [RecordTooLarge() if line is None else judged(line) for line in lines]
        if self._count is not None:
            records = await asyncio.gather(*[self._counted(r, self._count) for r in records])
        # Rather than refuse what cannot be held now, the client is read no further for a while.
        try:
            await self._sending.room(len(lines), size)
        except Overloaded as refusal:
            records = [refusal if isinstance(record, bytes) else record for record in records]
        # Tasks start in order, so the records enter the producer in order.
        answers = tasks.create_task(self._answers(records))
        self._queue.put_nowait(UnderWay(answers, len(lines), size))

    @staticmethod
    async def _counted(
        record: bytes | StreamingError, count: Callable[[int, int], Awaitable[object]]
    ) -> bytes | StreamingError:
        """Count what is a record: each line is let in or refused by itself, in their order."""
        if isinstance(record, bytes):
            try:
                await count(1, len(record))
            except RateLimited as refusal:
                return refusal
        return record

    async def _answers(self, records: Sequence[bytes | StreamingError]) -> bytes:
        outcomes = await send_judged(self._sending, self._stream, records, self._traceparent)
        stream_id = self._stream.stream_id.encode()
        return b"".join(
            self._problem(outcome)
            if isinstance(outcome, StreamingError)
            else receipt_line(stream_id, outcome)
            for outcome in outcomes
        )

    def _problem(self, failure: StreamingError) -> bytes:
        # A line has no header that could tell when to come back.
        return problems.encode_alone(failure, self._request_id) + b"\n"

    async def _write_answers(self, write: Write) -> None:
        while (under_way := await self._queue.get()) is not None:
            answers = under_way.answers
            await write(answers if isinstance(answers, bytes) else await answers)
            self._window.leave(under_way.records, under_way.size)


def portions(lines: Iterable[bytes | None]) -> Iterator[Portion]:
    """Give lines in portions, without the empty ones."""
    portion: Portion = []
    size = 0
    for line in lines:
        if line is not None and not line.strip():
            continue
        portion.append(line)
        size += len(line or b"")
        if len(portion) >= PORTION_RECORDS or size >= PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


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
                upload.interrupts(partial(self._stop, upload))
            await self._sending.run(from_first, lambda answer: chunk(send, answer))

    def _stop(self, upload: Upload) -> None:
        self._sending.stop(has_expired=upload.has_expired)


async def _within_time(receive: Receive) -> Any:
    """Return the next piece; lines may come for hours, but something must come now and then."""
    async with asyncio.timeout(BODY_SECONDS):
        return await receive()
