"""Records that came while there was no producer: they wait in line for the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from streaming_runtime.core.errors import BrokerUnavailable, OutcomeUnknown
from streaming_runtime.kafka.batch import Pending
from streaming_runtime.kafka.clients import SEND_SECONDS
from streaming_runtime.kafka.load import Load


class Backlog:
    """A line: who comes later never overtakes, and nobody waits longer than SEND_SECONDS in all."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._line: deque[tuple[float, Pending]] = deque()
        self._expiry: asyncio.TimerHandle | None = None

    def add(self, record: Pending) -> None:
        loop = asyncio.get_running_loop()
        self._line.append((loop.time() + SEND_SECONDS, record))
        if self._expiry is None:
            self._expiry = loop.call_later(SEND_SECONDS, self._expire)

    def move_to(self, send: Callable[[Pending], None]) -> None:
        """Hand all over, in order; each keeps the deadline it came with."""
        self._stop_expiry()
        loop = asyncio.get_running_loop()
        # What is not taken comes back into a new line.
        moved, self._line = self._line, deque()
        for deadline, record in moved:
            if record.waiter.done():  # Who sent it has gone.
                self._load.release(1, record.size)
                continue
            send(record)
            loop.call_at(deadline, _time_out, record)

    def clear(self) -> None:
        """Refuse all."""
        self._stop_expiry()
        while self._line:
            self._refuse_first()

    def _expire(self) -> None:
        self._expiry = None
        loop = asyncio.get_running_loop()
        while self._line and self._line[0][0] <= loop.time():
            self._refuse_first()
        if self._line:
            self._expiry = loop.call_at(self._line[0][0], self._expire)

    def _refuse_first(self) -> None:
        _, record = self._line.popleft()
        self._load.release(1, record.size)
        record.fail(BrokerUnavailable())

    def _stop_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None


def _time_out(record: Pending) -> None:
    # It is in a batch by now, and nobody can take it out again.
    record.fail(OutcomeUnknown())
