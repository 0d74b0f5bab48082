"""Streams: started, found, listed and ended, each by its owner only."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from streaming_runtime.core.errors import (
    ConfigurationInvalid,
    InvalidBody,
    InvalidParameter,
    UnknownStream,
)
from streaming_runtime.core.model import Processor, Record, Stream, is_stream_id, new_stream_id
from streaming_runtime.core.ports import (
    ProcessorCatalog,
    RecordSink,
    ResultsLog,
    StreamRegistry,
)

# From the moment an end is registered every replica refuses sends; those under way get this long
# to be stored, so that the end record is behind them.
END_GRACE_SECONDS = 0.1
MAX_PAGE = 1_000
DEFAULT_PAGE = 100


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What a client asks for: the processor by name, or as an object with its parameters."""

    processor: str | dict[str, Any] | None = None
    label: str | None = None
    ttl_seconds: int | None = None


class Streams:
    """The life of streams over a registry, a sink and a results log."""

    def __init__(
        self,
        registry: StreamRegistry,
        sink: RecordSink,
        log: ResultsLog,
        catalog: ProcessorCatalog,
        default_processor: str,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.now_ms = now_ms
        self._registry = registry
        self._sink = sink
        self._log = log
        self._catalog = catalog
        self._default = default_processor
        self._sleep = sleep

    async def start(self, tenant: str, request: StartRequest) -> Stream:
        """Register a new stream; no topic is made, so the cost does not grow.

        Raises:  InvalidBody; BrokerUnavailable; OutcomeUnknown.
        """
        processor = self._processor(request.processor)
        stream_id = new_stream_id()
        partition = await self._sink.partition_for(stream_id)
        bounds = await self._log.bounds(partition)
        stream = Stream(
            stream_id=stream_id,
            tenant=tenant,
            processor=processor,
            incarnation=self._log.incarnation.id,
            partition=partition,
            first_offset=bounds.end,
            created_at=self.now_ms(),
            label=request.label,
            ttl_seconds=request.ttl_seconds,
        )
        await self._registry.put(stream)
        return stream

    def at_hand(self, stream_id: str) -> Stream | None:
        """Return a stream that needs no asking, whoever owns it; None tells nothing."""
        stream = self._registry.at_hand(stream_id)
        is_usable = stream is not None and stream.incarnation == self._log.incarnation.id
        return stream if is_usable else None

    async def owned(self, tenant: str, stream_id: str) -> Stream:
        """Return a tenant's stream.

        Raises:  UnknownStream, the same for another tenant's stream and for none.
        """
        stream = await self._registry.get(stream_id) if is_stream_id(stream_id) else None
        if stream is None or stream.tenant != tenant:
            if stream is not None:
                # As long, and as likely to fail, as for a stream that nobody has.
                await self._registry.get(new_stream_id())
            raise UnknownStream
        if stream.incarnation != self._log.incarnation.id:
            # The topics were made anew, perhaps with another count: what is sent from now on lives
            # where this one puts it. The incarnation stays, and tells readers of the gap.
            partition = await self._sink.partition_for(stream_id)
            return replace(stream, partition=partition)
        return stream

    async def end(self, stream: Stream) -> None:
        """End a stream: later sends are refused, and readers get a result of kind ``end``.

        It may be called again, and must be when it was interrupted: each call completes it.
        """
        known = await self._registry.get(stream.stream_id) or stream
        if known.end_source is not None:
            return
        now = self.now_ms()
        ended = known.ended(known.ended_by(now) or now)
        if known.ended_at is None:
            await self._registry.put(ended)
        await self._sleep(END_GRACE_SECONDS)
        latest = await self._registry.get(stream.stream_id) or ended
        if latest.end_source is not None:
            return
        receipt = await self._sink.append(Record(latest, b"null", self.now_ms(), kind="end"))
        await self._registry.put(latest.ended(now, receipt.offset))

    async def page(
        self, tenant: str, after: str | None, limit: int
    ) -> tuple[list[Stream], str | None]:
        """Return a tenant's streams by ``created_at``, and the token of the next page or None."""
        place = None if after is None else _place_of(after)
        found = await self._registry.page(tenant, place, limit + 1)
        if len(found) <= limit:
            return found, None
        return found[:limit], _token(found[limit - 1])

    def _processor(self, asked: str | dict[str, Any] | None) -> Processor:
        if isinstance(asked, dict):
            parameters = dict(asked)
            name = parameters.pop("name", None)
            if not isinstance(name, str):
                raise InvalidBody("processor: an object needs a name")
        else:
            name, parameters = self._default if asked is None else asked, {}
        self._catalog.check(name, parameters)
        return Processor(name, parameters)


def check_default(catalog: ProcessorCatalog, name: str) -> None:
    """Check the processor of streams that name none: its fault would be blamed on clients.

    Raises:  ConfigurationInvalid.
    """
    try:
        catalog.check(name, {})
    except InvalidBody as problem:
        raise ConfigurationInvalid(f"DEFAULT_PROCESSOR ({name}): {problem}") from None


def _token(stream: Stream) -> str:
    place = f"{stream.created_at}.{stream.stream_id}"
    return urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def _place_of(token: str) -> tuple[int, str]:
    try:
        padded = token + "=" * (-len(token) % 4)
        created, dot, stream_id = urlsafe_b64decode(padded).decode("ascii").partition(".")
    except (BadBase64, ValueError):
        created, dot, stream_id = "", "", ""
    if not (dot and created.isdecimal() and len(created) < 16 and is_stream_id(stream_id)):
        raise InvalidParameter("after must be the token of the page before")
    return int(created), stream_id
