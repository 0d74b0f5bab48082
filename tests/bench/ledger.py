"""What became of each record of one run: sent, acknowledged, delivered, how often, in what order.

Lost is what was acknowledged and never arrived. Out of order is a record that arrived behind one
that was sent only after it had been acknowledged: of two that were under way at once nobody has
promised which is first.
"""

import re
from array import array
from collections import Counter

from tests.bench.schedule import Schedule

NO_ANSWER = 0  # In place of a status: the connection broke.
_ALL_ACCEPTED = re.compile(rb'"failed": ?0[,}]')
_MOST_SEEN = 255
_SAMPLE_BYTES = 200


class Ledger:
    """The records of one run, numbered from ``first_record``.

    Units:  moments are seconds of the generator's clock; ``started`` is when the first is due.
    """

    def __init__(self, schedule: Schedule, first_record: int, started: float) -> None:
        self.schedule = schedule
        self.started = started
        self.first_record = first_record
        self.sent_requests = 0
        self.answers = 0
        self.acknowledged = 0
        self.delivered = 0
        self.duplicated = 0
        self.misplaced = 0
        self.awaited = 0  # Acknowledged, and not delivered so far.
        self.refused: Counter[int] = Counter()
        self.refusal = ""
        self.last_answer_at = self.last_arrival_at = started
        self.ack_seconds = array("d")
        self.delivery_seconds = array("d")
        self._batch = schedule.batch
        self._records = schedule.records
        self._sent_at = array("d", bytes(8 * schedule.requests))
        self._acknowledged_at = array("d", bytes(8 * schedule.requests))
        self._seen = bytearray(schedule.records)
        self._newest = [-1] * schedule.streams
        self._overtaken: list[tuple[int, int]] = []

    def sent(self, request: int, now: float) -> None:
        """Note that a request was written."""
        self.sent_requests += 1
        self._sent_at[request] = now

    def answered(self, request: int, status: int, body: bytes, now: float) -> None:
        """Note an answer; only 2xx acknowledges, and a batch only as a whole."""
        self.answers += 1
        self.last_answer_at = now
        if not 200 <= status < 300 or (status == 207 and not _ALL_ACCEPTED.search(body)):
            self.refused[status] += 1
            self.refusal = self.refusal or body[:_SAMPLE_BYTES].decode(errors="replace")
            return
        self.acknowledged += self._batch
        self._acknowledged_at[request] = now
        self.ack_seconds.append(now - self.started - self.schedule.due_seconds(request))
        first = request * self._batch
        self.awaited += self._seen.count(0, first, first + self._batch)

    def arrived(self, reader: int, record: int, due_us: int, now: float) -> None:
        """Note a result at one stream's reader.

        Units:  ``due_us`` is microseconds of the generator's clock.
        """
        record -= self.first_record
        request = record // self._batch
        if not 0 <= record < self._records or self.schedule.stream_of(request) != reader:
            self.misplaced += 1
            return
        self.last_arrival_at = now
        if times := self._seen[record]:
            self.duplicated += 1
            self._seen[record] = min(times + 1, _MOST_SEEN)
            return
        self._seen[record] = 1
        self.delivered += 1
        self.delivery_seconds.append(now - due_us * 1e-6)
        if self._acknowledged_at[request]:
            self.awaited -= 1
        if record > self._newest[reader]:
            self._newest[reader] = record
        else:
            self._overtaken.append((record, self._newest[reader]))

    @property
    def is_settled(self) -> bool:
        """Say whether every request is answered and everything acknowledged has arrived."""
        return self.answers == self.schedule.requests and self.awaited == 0

    @property
    def reordered(self) -> int:
        return sum(self._was_first(*pair) for pair in self._overtaken)

    def _was_first(self, earlier: int, later: int) -> bool:
        """Say whether the order of two records was decided before the later one was sent."""
        first, second = earlier // self._batch, later // self._batch
        acknowledged = self._acknowledged_at[first]
        return first == second or 0 < acknowledged <= self._sent_at[second]
