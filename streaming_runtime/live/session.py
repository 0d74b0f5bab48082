"""One open WebSocket: results go out, records come in, receipts go back in the records' order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from litestar.types import Receive, Send

from streaming_runtime.core.at_once import NotAtOnce, at_once
from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.errors import OutcomeUnknown, StreamingError
from streaming_runtime.core.model import Receipt, Stream
from streaming_runtime.core.principals import Principal
from streaming_runtime.core.reading import Delivery, Gap, Reader
from streaming_runtime.core.waiters import give_up
from streaming_runtime.http.credential_expiry import CredentialExpiry
from streaming_runtime.http.event_forms import jittered_ms
from streaming_runtime.http.gate import require
from streaming_runtime.http.services import Services
from streaming_runtime.live import frames
from streaming_runtime.live.close_codes import BAD_MESSAGE, CREDENTIAL, ENDED, RESTART, TOO_SLOW
from streaming_runtime.live.connections import Connection
from streaming_runtime.live.endless import LEAVING_RETRY_MS, SLOW_RETRY_MS, Delivered
from streaming_runtime.live.frames import BadSend, NotAFrame, SendFrame, parse_send
from streaming_runtime.live.window import Window

# Sends of one socket that are not answered yet, and their bytes; behind them it is not read.
SENDS_UNDER_WAY = 256
BYTES_UNDER_WAY = 128 << 10
# A result wakes the reader when it is there; this only bounds a wait.
WAIT_SECONDS = 60.0
LAST_RECEIPTS_SECONDS = 4.0

Close = tuple[int, str]
GONE: Close = (0, "")
Place = tuple[int, int]


class Sent(NamedTuple):
    """A send that is under way, or why it is not; its ref goes into the answer."""

    outcome: asyncio.Future[Place] | StreamingError
    ref: msgspec.Raw
    size: int


class Session:
    """Runs one socket between its acceptance and its close."""

    def __init__(
        self,
        services: Services,
        stream: Stream,
        principal: Principal,
        request_id: str,
        receive: Receive,
        send: Send,
        delivered: Delivered,
        expiry: CredentialExpiry,
        refused: Callable[[StreamingError], None],
    ) -> None:
        self._services = services
        self._stream = stream
        self._principal = principal
        self._request_id = request_id
        self._receive = receive
        self._send = send
        self._delivered = delivered
        self._expiry = expiry
        self._refused = refused
        self._receipts: asyncio.Queue[Sent] = asyncio.Queue()
        self._window = Window(SENDS_UNDER_WAY, BYTES_UNDER_WAY)
        self._fault: StreamingError | None = None
        # Whether a send waited for the end of this stream in vain; the next ones do not.
        self._is_end_unknown = False

    async def run(self, connection: Connection, cursor: Cursor, gap: Gap | None) -> Close:
        """Serve until one side is done.

        Shape:   the close code and its reason; code 0 when the client is gone already.
        """
        await self._open(cursor, gap)
        receiving = asyncio.ensure_future(self._receive_all(connection))
        tasks = [receiving, asyncio.ensure_future(self._send_receipts())]
        for task in tasks:
            # Whatever ends one of them ends the session: nobody waits at a half dead socket.
            task.add_done_callback(lambda _: connection.leave("gone"))
        try:
            async with self._services.readings.open(self._stream, cursor) as reader:
                connection.interrupts(reader.interrupt)
                code, reason = await self._deliver(reader, connection)
                if code:
                    # What is not read by now is not stored: nothing is, without being answered.
                    receiving.cancel()
                    await self._settle()
                    await self._say_goodbye(code, reader)
            return code, reason
        finally:
            await _ended(tasks)
            self._abandon()

    async def _open(self, cursor: Cursor, gap: Gap | None) -> None:
        if gap is not None:
            await self._text(frames.gap(gap))
            return
        seal = self._services.readings.seal
        await self._text(frames.position(seal.encode(self._stream.stream_id, cursor)))

    async def _deliver(self, reader: Reader, connection: Connection) -> Close:
        while True:
            deliveries = await reader.take(self._expiry.wait(WAIT_SECONDS))
            if connection.leaving == "gone":
                return GONE
            await self._show(deliveries)
            if self._fault is not None:
                return BAD_MESSAGE, self._fault.code
            if reader.ending == "slow":
                connection.was_slow = True
                return TOO_SLOW, "too slow"
            if reader.ending in ("end", "reached"):
                return ENDED, "ended"
            if connection.leaving in ("expired", "revoked"):
                return CREDENTIAL, connection.leaving
            if connection.leaving in ("rotation", "restart"):
                return RESTART, connection.leaving
            if (seconds := self._expiry.due()) is not None:
                await self._text(frames.expiring(seconds))

    async def _show(self, deliveries: list[Delivery]) -> None:
        if deliveries:
            self._delivered(deliveries)
        # Each is let go of with its frame: a peer may take its time, and they are three times it.
        waiting = deque(deliveries)
        deliveries.clear()
        while waiting:
            delivery = waiting.popleft()
            await self._text(delivery.result.websocket(delivery.own_id))

    async def _say_goodbye(self, code: int, reader: Reader) -> None:
        if self._fault is not None:
            await self._text(frames.error(self._fault, self._request_id))
        elif code == TOO_SLOW:
            retry_ms = jittered_ms(*SLOW_RETRY_MS)
            await self._text(frames.leaving("slow", retry_ms, reader.cursor_id))
        elif code == CREDENTIAL:
            await self._text(frames.position(reader.cursor_id))
        elif code == RESTART:
            retry_ms = jittered_ms(*LEAVING_RETRY_MS)
            await self._text(frames.leaving("reconnect", retry_ms, reader.cursor_id))

    async def _receive_all(self, connection: Connection) -> None:
        while True:
            event: Any = await self._receive()
            if event["type"] == "websocket.disconnect":
                connection.leave("gone")
                return
            try:
                await self._take_in(event.get("text"))
            except NotAFrame as fault:
                self._fault = fault.reason
                connection.leave("restart")  # It only interrupts: the fault decides the code.
                await asyncio.Event().wait()

    async def _take_in(self, text: str | None) -> None:
        if text is None:
            raise NotAFrame("Send text frames, not binary ones")
        await self._window.enter(len(text))
        asked = parse_send(text)
        # Limits may have to be waited for, and no send may overtake the one before it there.
        refusal = await self._refusal_of(asked)
        outcome = refusal or self._begin(asked)
        self._receipts.put_nowait(Sent(outcome, asked.ref, len(text)))

    async def _refusal_of(self, asked: SendFrame | BadSend) -> StreamingError | None:
        """Count a send, and return why it may not go on, None if it may."""
        gate, principal = self._services.gate, self._principal
        try:
            require(principal, "send", self._stream.stream_id)
            await gate.counted(principal, "send", self._stream.stream_id)
            if isinstance(asked, BadSend):
                return asked.reason
            await gate.count_data(principal.tenant, 1, len(bytes(asked.data)))
        except StreamingError as refusal:
            return refusal
        return None

    def _begin(self, asked: SendFrame | BadSend) -> asyncio.Future[Place] | StreamingError:
        """Have one record stored, without a task: what comes of it is looked at in its turn."""
        if isinstance(asked, BadSend):
            return asked.reason
        waiter: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        try:
            self._services.sending.enter(self._stream, bytes(asked.data), None, waiter)
        except StreamingError as refusal:
            return refusal
        return waiter

    async def _answer(self, sent: Sent) -> str:
        """Return the frame that answers a send, once it is known what became of it."""
        refusal = sent.outcome
        if not isinstance(refusal, StreamingError):
            try:
                stored = Receipt(*await refusal)
                await self._check_before_end(stored)
                return frames.receipt(self._stream.stream_id, stored, sent.ref)
            except StreamingError as failure:
                refusal = failure
        self._refused(refusal)
        return frames.send_error(refusal, sent.ref, self._request_id)

    async def _check_before_end(self, stored: Receipt) -> None:
        """Raises:  StreamEnded; OutcomeUnknown, after one wait for all sends under way."""
        checking = self._services.sending.check_before_end(self._stream, stored)
        try:
            if not self._is_end_unknown:
                await checking
                return
            try:
                at_once(checking)
            except NotAtOnce:
                raise OutcomeUnknown from None
        except OutcomeUnknown:
            self._is_end_unknown = True
            raise

    async def _send_receipts(self) -> None:
        while True:
            sent = await self._receipts.get()
            await self._text(await self._answer(sent))
            self._receipts.task_done()
            self._window.leave(sent.size)

    async def _settle(self) -> None:
        """Let the sends under way be answered before the socket is closed."""
        try:
            async with asyncio.timeout(LAST_RECEIPTS_SECONDS):
                await self._receipts.join()
        except TimeoutError:
            pass

    def _abandon(self) -> None:
        """Forget the sends nobody waits for: Kafka may have them, the client was not told."""
        while not self._receipts.empty():
            outcome = self._receipts.get_nowait().outcome
            if not isinstance(outcome, StreamingError):
                give_up(outcome)

    async def _text(self, text: str) -> None:
        await self._send({"type": "websocket.send", "bytes": None, "text": text})


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel and wait; a peer that has gone is no fault, anything else is raised."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception) and not isinstance(outcome, OSError):
            raise outcome
