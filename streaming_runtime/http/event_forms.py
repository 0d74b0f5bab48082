"""The two forms of a stream of results, SSE and NDJSON: what each result and control event is.

Endless streams of the container and finite ones of a function write the same bytes from here.
"""

from __future__ import annotations

import random
from typing import Any, Protocol

import msgspec

from streaming_runtime.core import sse
from streaming_runtime.core.reading import Delivery, Gap
from streaming_runtime.http.answers import EVENT_STREAM, NDJSON

# No cache may keep a stream, no proxy may compress or hold it back.
STREAM_HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}

EXPIRING = "credential-expiring"

Problem = dict[str, Any] | bytes


class EventForm(Protocol):
    """One form: every method returns bytes that are complete in themselves."""

    media_type: str
    heartbeat: bytes

    def opening(self, cursor_id: str | None, retry_ms: int) -> bytes:
        """Return the first bytes: when to come back, and the position to come back to.

        Shape:  without a cursor where a gap follows, since only the gap itself may move a reader
                past what is gone.
        """

    def position(self, cursor_id: str) -> bytes:
        """Return what moves the reader's position and shows nothing."""

    def result(self, delivery: Delivery) -> bytes:
        """Return one result, ``failed`` and ``end`` among them."""

    def gap(self, gap: Gap) -> bytes:
        """Return that results are gone; its id is the first position that still exists."""

    def slow(self, retry_ms: int, cursor_id: str) -> bytes:
        """Return that the reader was too slow; the connection is closed behind it."""

    def reconnect(self, retry_ms: int, cursor_id: str) -> bytes:
        """Return that the connection is about to be closed and may be opened again."""

    def expiring(self, seconds: int) -> bytes:
        """Return that the reader's credential ends in so many seconds, and the connection then."""

    def error(self, problem: Problem, retry_ms: int | None = None) -> bytes:
        """Return a problem; the connection is closed behind it."""


class SseForm:
    """text/event-stream: results without a name, control events with one."""

    media_type = EVENT_STREAM
    heartbeat = sse.HEARTBEAT

    def opening(self, cursor_id: str | None, retry_ms: int) -> bytes:
        return sse.event(event_id=cursor_id, retry_ms=retry_ms)

    def position(self, cursor_id: str) -> bytes:
        return sse.event(event_id=cursor_id)

    def result(self, delivery: Delivery) -> bytes:
        return delivery.result.sse(delivery.own_id)

    def gap(self, gap: Gap) -> bytes:
        return sse.event(_encode(gap._asdict()), event_id=gap.earliest, name="gap")

    def slow(self, retry_ms: int, cursor_id: str) -> bytes:
        return self._leave("slow", retry_ms, cursor_id)

    def reconnect(self, retry_ms: int, cursor_id: str) -> bytes:
        return self._leave("reconnect", retry_ms, cursor_id)

    def expiring(self, seconds: int) -> bytes:
        return sse.event(_encode({"expires_in": seconds}), name=EXPIRING)

    def error(self, problem: Problem, retry_ms: int | None = None) -> bytes:
        return sse.event(_encode(problem), name="error", retry_ms=retry_ms)

    def _leave(self, name: str, retry_ms: int, cursor_id: str) -> bytes:
        # The position in an event of its own: control events but for a gap have no id.
        data = _encode({"retry_ms": retry_ms})
        return self.position(cursor_id) + sse.event(data, name=name, retry_ms=retry_ms)


class NdjsonForm:
    """application/x-ndjson: a result a line, and control lines that say so."""

    media_type = NDJSON
    heartbeat = b"\n"

    def opening(self, cursor_id: str | None, retry_ms: int) -> bytes:
        # A line tells when to come back only together with where to.
        return _line("position", cursor=cursor_id, retry_ms=retry_ms) if cursor_id else b""

    def position(self, cursor_id: str) -> bytes:
        return _line("position", cursor=cursor_id)

    def result(self, delivery: Delivery) -> bytes:
        return delivery.result.ndjson(delivery.own_id)

    def gap(self, gap: Gap) -> bytes:
        return _line("gap", **gap._asdict(), cursor=gap.earliest)

    def slow(self, retry_ms: int, cursor_id: str) -> bytes:
        return _line("slow", retry_ms=retry_ms, cursor=cursor_id)

    def reconnect(self, retry_ms: int, cursor_id: str) -> bytes:
        return _line("reconnect", retry_ms=retry_ms, cursor=cursor_id)

    def expiring(self, seconds: int) -> bytes:
        return _line(EXPIRING, expires_in=seconds)

    def error(self, problem: Problem, retry_ms: int | None = None) -> bytes:
        members = {} if retry_ms is None else {"retry_ms": retry_ms}
        return _line("error", problem=msgspec.Raw(_encode(problem)), **members)


FORMS: dict[str, EventForm] = {EVENT_STREAM: SseForm(), NDJSON: NdjsonForm()}


def jittered_ms(low: int, high: int) -> int:
    """Return a time to come back after, so that clients sent away together come back apart."""
    return random.randint(low, high)


def _line(control: str, **members: object) -> bytes:
    return msgspec.json.encode({"control": control, **members}) + b"\n"


def _encode(value: Problem) -> bytes:
    return value if isinstance(value, bytes) else msgspec.json.encode(value)
