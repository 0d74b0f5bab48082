"""The send of one record that has to wait for nothing but Kafka: answered without a task.

What is not of that kind, and whatever is to be refused, is left to the application before anything
of it has happened. So there is one answer, and here only the price of it differs.
"""

from __future__ import annotations

import hmac
import logging
import re
import time
from collections.abc import Mapping
from contextvars import copy_context
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from streaming_runtime.core.at_once import NotAtOnce, at_once
from streaming_runtime.core.errors import StreamingError
from streaming_runtime.core.model import Receipt, Stream
from streaming_runtime.core.principals import Principal
from streaming_runtime.http.answers import of_json
from streaming_runtime.http.bodies import MAX_BODY_BYTES, is_array, parse_record
from streaming_runtime.http.direct import refusal
from streaming_runtime.http.edge import Edge, exchange_of, new_request_id
from streaming_runtime.http.gate import require
from streaming_runtime.http.services import Observer, Services
from streaming_runtime.http.traceparent import traceparent_of
from streaming_runtime.http.views import receipt_json, receipt_of
from streaming_runtime.live.cycle import Cycle
from streaming_runtime.live.plain_send import PlainSend

log = logging.getLogger("millrace.live.quick_sends")

PATH = re.compile(r"/stream/([^/]+)/send")
TEMPLATE = "/stream/{stream_id}/send"
ACCEPTED = 202
JSON = b"application/json"
NO_QUERY: Mapping[str, str] = {}
# Each means something that this way of answering does not know.
SPECIAL = frozenset(
    {
        b"authorization",
        b"expect",
        b"idempotency-key",
        b"origin",
        b"prefer",
        b"transfer-encoding",
    }
)
FIELDS = (
    b"content-type: application/json\r\n"
    b"cache-control: no-store\r\n"
    b"x-content-type-options: nosniff\r\n"
    b"x-request-id: %b\r\n"
)


class QuickSends:
    """Takes from the application what it can answer by itself."""

    def __init__(self, services: Services, observer: Observer) -> None:
        self._streams = services.streams
        self._gate = services.gate
        self._sending = services.sending
        self._observer = observer

    def take(self, cycle: Cycle) -> bool:
        """Begin to answer a request that has come whole; False for the application's, untouched."""
        scope = cycle.scope
        if scope["method"] != "POST" or scope["query_string"] or len(cycle.body) > MAX_BODY_BYTES:
            return False
        path = PATH.fullmatch(scope["path"])
        if path is None:
            return False
        fields = dict(scope["headers"])
        if len(fields) < len(scope["headers"]) or not SPECIAL.isdisjoint(fields):
            return False
        return self.take_plain(cycle, PlainSend(path[1], fields, bytes(cycle.body)))

    def take_plain(self, cycle: Cycle, send: PlainSend) -> bool:
        """Do the same for a send that was read without the parser."""
        stream = self._streams.at_hand(send.stream_id)
        kind = send.fields.get(b"content-type", JSON)
        if stream is None or kind != JSON or is_array(send.body):
            return False
        try:
            return self._enter(cycle, stream, send.fields, send.body)
        except (NotAtOnce, StreamingError):
            return False

    def _enter(self, cycle: Cycle, stream: Stream, fields: dict[bytes, bytes], body: bytes) -> bool:
        """Have the record stored; False if the request counts differently.

        Raises:  NotAtOnce; StreamingError for what is to be refused.
        """
        started = time.perf_counter()
        principal = self._caller_of(cycle, fields.get(b"x-api-key", b""), stream.stream_id)
        if principal.tenant != stream.tenant:
            return False
        require(principal, "send", stream.stream_id)
        self._sending.refuse_ended(stream)
        data = parse_record(body)
        limits = self._gate.counted_at_once(principal)
        if limits is None:
            return False
        waiting = _Waiting(self, cycle, stream, started, limits)
        try:
            self._sending.enter(stream, data, _traceparent(fields), waiting)
        except StreamingError as failure:
            waiting.set_exception(failure)
        return True

    def _caller_of(self, cycle: Cycle, key: bytes, stream_id: str) -> Principal:
        """Return whose key it is, without a look-up if the last one over this connection is it.

        Shape:   a key of the settings counts as long as the process lives; others may be withdrawn.
        Raises:  NotAtOnce, Unauthorized.
        """
        known = cycle.peer.caller
        if known is not None and hmac.compare_digest(known[0], key):
            return known[1]
        fields = {"x-api-key": key.decode("latin-1")}
        asking = self._gate.credentials.principal_of(fields, NO_QUERY, stream_id)
        # What it notes for the log is of this request, and the context is that of all connections.
        found = copy_context().run(at_once, asking)
        if not found.key_id and found.expires_at is None:
            cycle.peer.caller = key, found
        return found

    def acknowledge(self, waiting: _Waiting, receipt: Receipt) -> None:
        """Answer a record that is stored, before the end of its stream."""
        stream_id = waiting.stream.stream_id
        lines = FIELDS % new_request_id().encode()
        for name, value in waiting.limits.items():
            lines += b"%b: %b\r\n" % (name.lower().encode(), value.encode())
        waiting.cycle.answer(ACCEPTED, lines, receipt_json(stream_id.encode(), receipt))
        seconds = time.perf_counter() - waiting.started
        self._observer.answered(TEMPLATE, "POST", ACCEPTED, seconds)

    def check_before_end(self, waiting: _Waiting, receipt: Receipt) -> None:
        """Raises:  NotAtOnce, or StreamEnded, if the stream was being ended meanwhile."""
        at_once(self._sending.check_before_end(waiting.stream, receipt))

    def leave(self, waiting: _Waiting, outcome: Receipt | StreamingError) -> None:
        """Have the application's edge answer what is to be refused, or is not known yet."""
        cycle = waiting.cycle
        scope = cycle.scope or _scope_of(cycle, waiting.stream)
        cycle.leave_to(Edge(self._answering(waiting, outcome), self._observer), scope)

    def _answering(self, waiting: _Waiting, outcome: Receipt | StreamingError) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            exchange = exchange_of(scope)
            exchange.started, exchange.is_storing = waiting.started, True
            told: Any = scope
            told["path_params"] = {"stream_id": waiting.stream.stream_id}
            told["path_template"] = TEMPLATE
            try:
                if isinstance(outcome, StreamingError):
                    raise outcome
                await self._sending.check_before_end(waiting.stream, outcome)
            except StreamingError as failure:
                await refusal(scope, failure)(scope, receive, send)
                return
            body = receipt_of(waiting.stream.stream_id, outcome)
            await of_json(body, ACCEPTED, waiting.limits)(scope, receive, send)

        return answer


class _Waiting:
    """Implements core.ports.Waiter: one send, until Kafka has answered."""

    __slots__ = ("_is_told", "_sends", "cycle", "limits", "started", "stream")

    def __init__(
        self,
        sends: QuickSends,
        cycle: Cycle,
        stream: Stream,
        started: float,
        limits: dict[str, str],
    ) -> None:
        self.cycle = cycle
        self.stream = stream
        self.started = started
        self.limits = limits
        self._sends = sends
        self._is_told = False

    def done(self) -> bool:
        return self._is_told

    def set_result(self, place: tuple[int, int], /) -> None:
        self._is_told = True
        receipt = Receipt(*place)
        try:
            try:
                self._sends.check_before_end(self, receipt)
            except (NotAtOnce, StreamingError):
                self._sends.leave(self, receipt)
            else:
                self._sends.acknowledge(self, receipt)
        except Exception:
            # Whoever tells us tells others behind us, and they must hear of theirs.
            log.exception("an answer was broken off")
            self.cycle.break_off()

    def set_exception(self, failure: StreamingError, /) -> None:
        self._is_told = True
        self._sends.leave(self, failure)


def _scope_of(cycle: Cycle, stream: Stream) -> dict[str, Any]:
    """Return what the edge wants to know of a plain send."""
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": f"/stream/{stream.stream_id}/send",
        "query_string": b"",
        "headers": [],
        "client": cycle.peer.client,
    }


def _traceparent(fields: dict[bytes, bytes]) -> str | None:
    found = fields.get(b"traceparent")
    return None if found is None else traceparent_of(found.decode("latin-1"))
