"""What the routes work with: wired once at the edge of a process, found on the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from litestar import Request

from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.idempotency import KeyedSending
from streaming_runtime.core.model import Stream
from streaming_runtime.core.principals import Principal
from streaming_runtime.core.reading import Gap, Readings
from streaming_runtime.core.sending import Sending
from streaming_runtime.core.streams import Streams
from streaming_runtime.core.tickets import TicketSeal
from streaming_runtime.http.answers import Answer, StreamedAnswer
from streaming_runtime.http.gate import Gate


class EventStreams(Protocol):
    """How a place answers SSE and NDJSON: endless in the container, finite in a function."""

    async def answer(
        self,
        form: str,
        stream: Stream,
        cursor: Cursor,
        gap: Gap | None,
        principal: Principal,
        headers: Mapping[str, str],
    ) -> StreamedAnswer | Answer: ...


class Upload(Protocol):
    """A request whose body may go on for as long as its client likes."""

    @property
    def has_expired(self) -> bool:
        """Say whether it ends because the credential that it came with has ended."""

    def interrupts(self, interrupt: Callable[[], None]) -> None:
        """Name what to call when no more of it is to be read; at once, if that is so already."""


class Uploads(Protocol):
    """Who ends the endless requests of a process that is about to end."""

    def uploading(self) -> AbstractContextManager[Upload]: ...


class Observer(Protocol):
    """Who is told of every answer."""

    def answered(self, route: str, method: str, status: int, seconds: float) -> None: ...

    def refused(self, code: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases behind the routes."""

    gate: Gate
    streams: Streams
    sending: Sending
    keyed: KeyedSending
    readings: Readings
    event_streams: EventStreams
    tickets: TicketSeal
    is_streaming: bool
    uploads: Uploads | None = None


def services_of(request: Request[Any, Any, Any]) -> Services:
    found = request.app.state["services"]
    assert isinstance(found, Services)
    return found
