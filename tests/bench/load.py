"""The open loop: each request goes out when it is due, whatever became of those before it.

Where every connection is busy the due requests wait for one, and their latency counts all the same
from the moment they were due: nothing is dropped, nothing is sent less often. As they go out in the
order they fell due, the backlog is two numbers and needs no queue.
"""

import asyncio
from array import array
from time import perf_counter

from tests.bench.connection import Asked
from tests.bench.ledger import Ledger
from tests.bench.traffic import Requests, Senders

TICK_SECONDS = 0.001  # The finest that an event loop's timers offer.


class OpenLoop:
    """The work of one run."""

    def __init__(self, ledger: Ledger, requests: Requests, senders: Senders) -> None:
        self.late_seconds = array("d")
        self._ledger = ledger
        self._schedule = ledger.schedule
        self._requests = requests
        self._senders = senders
        self._due = 0
        self._next = 0

    @property
    def backlog(self) -> int:
        """Return how many requests are due and wait for a connection."""
        return self._due - self._next

    def start(self) -> None:
        """Begin at the ledger's start; needs the running loop."""
        self._senders.work = self
        self.look()

    def look(self) -> None:
        """Send what has fallen due, and look again a moment later until all has."""
        elapsed = perf_counter() - self._ledger.started
        if not self.backlog:
            self._note_lateness(elapsed)
        self._due = self._schedule.due_requests(elapsed)
        self._senders.pump()
        if self._due < self._schedule.requests:
            pause = self._schedule.due_seconds(self._due) - elapsed
            asyncio.get_running_loop().call_later(max(TICK_SECONDS, pause), self.look)

    def next(self) -> Asked | None:
        request = self._next
        if request >= self._due:
            return None
        self._next = request + 1
        ledger, schedule = self._ledger, self._schedule
        due_us = int((ledger.started + schedule.due_seconds(request)) * 1e6)
        stream = schedule.stream_of(request)
        record = ledger.first_record + request * schedule.batch
        wire = self._requests.bytes_for(stream, record, due_us)
        ledger.sent(request, perf_counter())
        return Asked(record, stream, wire)

    def answered(self, number: int, status: int, body: bytes, now: float) -> None:
        request = (number - self._ledger.first_record) // self._schedule.batch
        if 0 <= request < self._next:  # Else of a run that was given up.
            self._ledger.answered(request, status, body, now)

    def _note_lateness(self, elapsed: float) -> None:
        """Note how late this generator itself is: nothing but its own loop has kept it waiting."""
        late = elapsed - self._schedule.due_seconds(self._next)
        if late >= 0 and self._next < self._schedule.requests:
            self.late_seconds.append(late)
