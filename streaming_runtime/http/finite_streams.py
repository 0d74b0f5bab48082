"""Finite SSE and NDJSON: what a function can give, which cannot hold a connection open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from litestar.types import Receive, Scope, Send

from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.errors import BrokerUnavailable, StreamingError
from streaming_runtime.core.model import Stream
from streaming_runtime.core.principals import Principal
from streaming_runtime.core.reading import Gap, Readings
from streaming_runtime.http import problems
from streaming_runtime.http.answers import StreamedAnswer, chunk
from streaming_runtime.http.credential_expiry import CredentialExpiry
from streaming_runtime.http.edge import Exchange, exchange_of
from streaming_runtime.http.event_forms import FORMS, STREAM_HEADERS, EventForm, jittered_ms
from streaming_runtime.http.result_pages import FUNCTION_BYTES, UNREADABLE, read_page
from streaming_runtime.http.time_left import within

# From the head of the request. API Gateway ends one after 29 s, and a first call connects first.
TOTAL_SECONDS = 19.5
WAIT_SECONDS = 18.0
LEAST_SECONDS = 1.0
MOST_RESULTS = 1_000
# The answer is over, not lost: the next one may begin at once.
RETRY_MS = (100, 500)
FAILED_RETRY_MS = (1_000, 3_000)


class FiniteStreams:
    """Implements http.services.EventStreams by answers that end as soon as they hold a result."""

    def __init__(self, readings: Readings, now_ms: Callable[[], int]) -> None:
        self._readings = readings
        self._now_ms = now_ms

    async def answer(
        self,
        form: str,
        stream: Stream,
        cursor: Cursor,
        gap: Gap | None,
        principal: Principal,
        headers: Mapping[str, str],
    ) -> FiniteAnswer:
        expiry = CredentialExpiry(principal.expires_at, self._now_ms)
        return FiniteAnswer(self._readings, FORMS[form], stream, cursor, gap, expiry, headers)


class FiniteAnswer(StreamedAnswer):
    """When to come back, the gap if there is one, what results there are, and a position."""

    def __init__(
        self,
        readings: Readings,
        form: EventForm,
        stream: Stream,
        cursor: Cursor,
        gap: Gap | None,
        expiry: CredentialExpiry,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(self._write, form.media_type, {**headers, **STREAM_HEADERS})
        self._readings = readings
        self._form = form
        self._stream = stream
        self._cursor = cursor
        self._gap = gap
        self._expiry = expiry
        self._exchange = Exchange("GET")
        self._scope: Any = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._exchange, self._scope = exchange_of(scope), scope
        await super().__call__(scope, receive, send)

    async def _write(self, receive: Receive, send: Send) -> None:
        form, start = self._form, self._readings.seal.encode(self._stream.stream_id, self._cursor)
        if self._gap is None:
            opening = form.opening(start, jittered_ms(*RETRY_MS))
        else:
            opening = form.opening(None, jittered_ms(*RETRY_MS)) + form.gap(self._gap)
        if (seconds := self._expiry.due()) is not None:
            opening += form.expiring(seconds)
        await chunk(send, opening)
        try:
            async with asyncio.timeout(max(self._least(), self._left(TOTAL_SECONDS))):
                results = await self._results()
        except TimeoutError:
            results = self._failure(BrokerUnavailable(UNREADABLE), start)
        except StreamingError as failure:
            results = self._failure(failure, start)
        await chunk(send, results)

    async def _results(self) -> bytes:
        page = await read_page(
            self._readings,
            self._stream,
            self._cursor,
            limit=MOST_RESULTS,
            # After a gap a reader is told at once: waiting would hold the news back.
            wait_seconds=0 if self._gap is not None else self._wait(),
            most_bytes=FUNCTION_BYTES,
        )
        events = [self._form.result(delivery) for delivery in page.deliveries]
        return b"".join([*events, self._form.position(page.cursor)])

    def _wait(self) -> float:
        """How long a first result is waited for: not beyond the end of the credential."""
        most, left = self._left(WAIT_SECONDS), self._expiry.seconds_left()
        return most if left is None else min(most, left)

    def _left(self, seconds: float) -> float:
        """What is left of a time that began with the head, and of the invocation's."""
        left = seconds - (time.perf_counter() - self._exchange.started)
        return within(self._scope, left)

    def _least(self) -> float:
        return within(self._scope, LEAST_SECONDS)

    def _failure(self, failure: StreamingError, start: str) -> bytes:
        problem = problems.encode(failure, self._exchange.request_id)
        retry_ms = jittered_ms(*FAILED_RETRY_MS)
        return self._form.error(problem, retry_ms) + self._form.position(start)
