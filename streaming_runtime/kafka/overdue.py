"""Which streams have to be ended now: a heap by moment, so that nobody walks over all of them."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import islice

from streaming_runtime.core.model import Stream

MOST_AT_ONCE = 1_000
MOST_MOVES = 1_000


class Overdue:
    """Streams whose time is over and whose end record is not known.

    One that is due stays so until its end record is known: an end that failed is tried again.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self._waiting: dict[str, Stream] = {}
        self._ripe: dict[str, Stream] = {}

    def note(self, stream: Stream) -> None:
        """Take the latest entry of a stream."""
        moment = stream.due_at()
        if moment is None:
            self.forget(stream.stream_id)
        elif stream.stream_id in self._ripe:
            self._ripe[stream.stream_id] = stream
        else:
            known = self._waiting.get(stream.stream_id)
            self._waiting[stream.stream_id] = stream
            if known is None or known.due_at() != moment:
                heappush(self._heap, (moment, stream.stream_id))

    def forget(self, stream_id: str) -> None:
        """Drop a stream; its place in the heap is passed over when its moment comes."""
        self._waiting.pop(stream_id, None)
        self._ripe.pop(stream_id, None)

    def due(self, now_ms: int) -> list[Stream]:
        """Return streams to end now, at most MOST_AT_ONCE; the next call goes on behind them."""
        for _ in range(MOST_MOVES):
            if not self._heap or self._heap[0][0] > now_ms:
                break
            moment, stream_id = heappop(self._heap)
            stream = self._waiting.get(stream_id)
            # A place that a later entry has made wrong is passed over.
            if stream is not None and stream.due_at() == moment:
                self._ripe[stream_id] = self._waiting.pop(stream_id)
        due = list(islice(self._ripe.values(), MOST_AT_ONCE))
        for stream in due:
            # To the back of the queue: what cannot be ended must not keep the others waiting.
            self._ripe[stream.stream_id] = self._ripe.pop(stream.stream_id)
        return due
