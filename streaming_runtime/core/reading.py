"""Where a reading begins and where it stops: one decision for every transport."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from streaming_runtime.core.cursor import Cursor, CursorSeal
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.model import NOTHING_SEEN, Position, Stream
from streaming_runtime.core.ports import Bounds, Feed, ResultsLog
from streaming_runtime.core.results import EncodedResult

SCAN_SECONDS = 20.0
# A broker that was just made leader, or was leader until just now, may not know yet of the last
# results that another has shown: a cursor a little beyond its end is waited for, not doubted.
BEYOND_POLLS = 12
BEYOND_POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Start:
    """What a client asked for: at most one of cursor, since and tail, or start or now.

    Units:  ``since_ms`` is milliseconds since 1970, compared with ``processed_at``.
    """

    place: Literal["start", "now", "cursor", "since", "tail"] = "start"
    cursor: str = ""
    since_ms: int = 0
    tail: int = 0
    limit: int | None = None
    until_now: bool = False


# retention: Kafka removed them · incarnation: the topics were made anew · truncated: the log ends
# before the position, as after a restore from a backup.
Reason = Literal["retention", "incarnation", "truncated"]


class Gap(NamedTuple):
    """Results that a reader asked for and that exist no more.

    Shape:  ``earliest`` is the cursor of the first result offset that still exists.
    """

    requested: str | None
    earliest: str
    reason: Reason


class Delivery(NamedTuple):
    """A result and the id it has for one reader: None is the shared one."""

    result: EncodedResult
    own_id: str | None

    @property
    def id(self) -> str:
        return self.own_id or self.result.id


class Reader:
    """One client's reading of one stream: its feed, its cursor, and whether it is over.

    ``ending`` is None while it goes on, else why nothing more will come.
    """

    __slots__ = (
        "_feed",
        "_incarnation",
        "_left",
        "_position",
        "_seal",
        "_until",
        "ending",
        "stream",
    )

    def __init__(self, stream: Stream, feed: Feed, seal: CursorSeal, cursor: Cursor) -> None:
        self.stream = stream
        self.ending: Literal["end", "reached", "slow", "interrupted"] | None = None
        self._feed = feed
        self._seal = seal
        self._incarnation = cursor.incarnation
        self._position = cursor.position
        self._left = cursor.limit
        self._until = cursor.until

    @property
    def offset(self) -> int:
        """The next results offset."""
        return self._position.offset

    @property
    def cursor_id(self) -> str:
        """The cursor behind all that was handed out."""
        return self._seal.encode(self.stream.stream_id, self._cursor())

    def interrupt(self) -> None:
        """Make ``take`` return at once, now and from now on: the connection is to be closed."""
        self._feed.interrupt()

    def hand_over(self, push: Callable[[], bool]) -> None:
        """Have results pushed where that can be done; see core.ports.Feed."""
        if self._left is None and self._until is None:
            self._feed.hand_over(push)

    def take_now(self) -> list[Delivery]:
        """Return the next results if they are all that there is to tell, else []."""
        if self.ending is not None:
            return []
        results = self._feed.take_now()
        if results:
            self._position = results[-1].position
        return [Delivery(result, None) for result in results]

    async def take(
        self, seconds: float, until: int | None = None, most: int | None = None
    ) -> list[Delivery]:
        """Return the next results; [] when the time is over or the reading is.

        Shape:  ``until`` is a results offset at which to come back although nothing was found;
                ``most`` bounds the answer, for a page that is the last use of this reader.
        """
        stops = [offset for offset in (until, self._until) if offset is not None]
        results = await self._feed.take(seconds, min(stops, default=None))
        if self._left is None and self._until is None and most is None:
            deliveries = self._unbounded(results)
        else:
            deliveries = self._bounded(results, most)
        if not results:
            self._position = self._feed.position
        if self.ending is None and self._cursor().is_reached():
            self.ending = "reached"
        elif self.ending is None and not results and self._feed.has_lagged:
            self.ending = "slow"
        elif self.ending is None and not results and self._feed.is_interrupted:
            self.ending = "interrupted"
        return deliveries

    def _unbounded(self, results: Sequence[EncodedResult]) -> list[Delivery]:
        deliveries = []
        for result in results:
            deliveries.append(Delivery(result, None))
            if result.entry.kind == "end":
                self._end()
                break
        if deliveries:
            self._position = deliveries[-1].result.position
        return deliveries

    def _bounded(self, results: Sequence[EncodedResult], most: int | None) -> list[Delivery]:
        has_own_ids = self._left is not None or self._until is not None
        deliveries: list[Delivery] = []
        for result in results:
            if len(deliveries) == most or self.ending or self._left == 0:
                break
            if self._until is not None and result.entry.offset >= self._until:
                self._position = Position(self._until, self._position.height)
                break
            self._position = result.position
            if self._left is not None:
                self._left -= 1
            if result.entry.kind == "end":
                self._end()
            deliveries.append(Delivery(result, self.cursor_id if has_own_ids else None))
        return deliveries

    def _end(self) -> None:
        self.ending = "end"
        self._left = 0

    def _cursor(self) -> Cursor:
        return Cursor(self._incarnation, self._position, self._left, self._until)


class Readings:
    """Opens readings of one results log."""

    def __init__(
        self,
        log: ResultsLog,
        seal: CursorSeal,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.log = log
        self.seal = seal
        self._sleep = sleep

    async def begin(self, stream: Stream, start: Start) -> tuple[Cursor, Gap | None]:
        """Decide where a reading begins, and tell if something before it is gone.

        Raises:  InvalidCursor; BrokerUnavailable.
        """
        asked = self._asked(stream, start)
        bounds = await self._bounds(stream, asked)
        cursor, gap = await self._placed(stream, start, asked, bounds)
        limit = start.limit if cursor.limit is None else cursor.limit
        until = bounds.end if start.until_now and cursor.until is None else cursor.until
        cursor = replace(cursor, limit=limit, until=until)
        if stream.end_source is None:
            return cursor, gap
        if cursor.position.height.offset >= stream.end_source:
            # Behind the end: nothing will come, and a reader must not wait for it.
            return replace(cursor, limit=0), None
        return await self._ending(stream, stream.end_source, cursor, bounds), gap

    @asynccontextmanager
    async def open(self, stream: Stream, cursor: Cursor) -> AsyncIterator[Reader]:
        """Open a reader at a cursor that ``begin`` has decided."""
        async with self.log.follow(stream, cursor.position) as feed:
            yield Reader(stream, feed, self.seal, cursor)

    def _asked(self, stream: Stream, start: Start) -> Cursor:
        """Return the position asked for, as far as a client or the registry has it."""
        if start.place == "cursor":
            return self.seal.decode(stream.stream_id, start.cursor)
        return Cursor(stream.incarnation, Position(stream.first_offset))

    async def _bounds(self, stream: Stream, asked: Cursor) -> Bounds:
        """Return what exists; ask again for a while if what was seen before is not there."""
        bounds = await self.log.bounds(stream.partition)
        for _ in range(BEYOND_POLLS):
            if asked.incarnation != self.log.incarnation.id or asked.is_reached():
                break
            if asked.position.offset <= bounds.end:
                break
            await self._sleep(BEYOND_POLL_SECONDS)
            bounds = await self.log.bounds(stream.partition)
        return bounds

    async def _placed(
        self, stream: Stream, start: Start, asked: Cursor, bounds: Bounds
    ) -> tuple[Cursor, Gap | None]:
        if start.place == "now":
            tip = await self.log.tip(stream.partition)
            return Cursor(self.log.incarnation.id, tip), None
        cursor, gap = self._of_client(stream, asked, bounds)
        if start.place == "cursor":
            return cursor, gap
        if start.place == "since":
            position = await self._since(stream, cursor.position, bounds.end, start.since_ms)
            return replace(cursor, position=position), None
        if start.place == "tail":
            position = await self._tail(stream, cursor.position, bounds.end, start.tail)
            return replace(cursor, position=position), None
        return cursor, None if gap is None else gap._replace(requested=None)

    async def _ending(
        self, stream: Stream, end_source: int, cursor: Cursor, bounds: Bounds
    ) -> Cursor:
        """Return where an ended stream's reading stops, if its end may be among what is gone.

        The end is gone or still to be read, but not still to come, when the log has gone past it,
        or when the input holds it no more: so the reading stops at what is the log's end by now.
        """
        is_ours = stream.incarnation == self.log.incarnation.id
        if is_ours and (bounds.earliest == 0 or cursor.position.offset > bounds.earliest):
            return cursor
        tip = await self.log.tip(stream.partition)
        if tip.height.offset < end_source:
            sources = await self.log.sources(stream.partition)
            was_elsewhere = not is_ours and end_source >= sources.end
            if end_source >= sources.earliest and not was_elsewhere:
                return cursor
        until = tip.offset if cursor.until is None else min(cursor.until, tip.offset)
        return replace(cursor, until=until)

    def _of_client(
        self, stream: Stream, cursor: Cursor, bounds: Bounds
    ) -> tuple[Cursor, Gap | None]:
        """Check that a position still exists; if not, the first that does, and the gap."""
        if cursor.is_reached():
            return cursor, None  # who wants nothing more misses nothing
        incarnation = self.log.incarnation.id
        reason: Reason | None = None
        placed = cursor
        if cursor.incarnation != incarnation or cursor.position.offset > bounds.end:
            reason = "truncated" if cursor.incarnation == incarnation else "incarnation"
            first = Position(bounds.earliest, NOTHING_SEEN)
            # An offset means nothing in another log, but what had an end must keep one.
            until = None if cursor.until is None else bounds.end
            placed = replace(cursor, incarnation=incarnation, position=first, until=until)
        elif cursor.position.offset < bounds.earliest:
            reason = "retention"
            kept = Position(bounds.earliest, cursor.position.height)
            placed = replace(cursor, position=kept)
        if reason is None:
            return placed, None
        encode = self.seal.encode
        requested, earliest = (encode(stream.stream_id, c) for c in (cursor, placed))
        return placed, Gap(requested, earliest, reason)

    async def _since(self, stream: Stream, first: Position, end: int, since_ms: int) -> Position:
        before = first
        async with aclosing(self._history(stream, first, end)) as history:
            async for result in history:
                if result.entry.processed_at >= since_ms:
                    return before
                before = result.position
        return Position(max(end, before.offset), before.height)

    async def _tail(self, stream: Stream, first: Position, end: int, count: int) -> Position:
        # One more than asked for: the position before the first of the last N.
        before: deque[Position] = deque([first], maxlen=count + 1)
        async with aclosing(self._history(stream, first, end)) as history:
            async for result in history:
                before.append(result.position)
        return before[0]

    async def _history(
        self, stream: Stream, first: Position, end: int
    ) -> AsyncGenerator[EncodedResult, None]:
        async with self.log.follow(stream, first) as feed:
            while feed.position.offset < end:
                results = await feed.take(SCAN_SECONDS, end)
                for result in results:
                    if result.entry.offset >= end:
                        return
                    yield result
                    if result.entry.kind == "end":
                        return  # Behind the first end nobody reads, also where a second was sent.
                if not results and feed.position.offset < end:
                    raise BrokerUnavailable("The results cannot be read now")
