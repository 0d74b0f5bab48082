"""Sends at a fixed rate whatever becomes of them, as clients have it who know nothing of Kafka."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import NamedTuple
from urllib.parse import urlsplit

from streaming_runtime.core.settings import KafkaSettings
from tests.bench.connection import Asked, Pool
from tests.eventually import eventually
from tests.kafka.parts import everything_in
from tests.product import KEY

CONNECTIONS = 900
TICK_SECONDS = 0.005
LAST_SECONDS = 12.0
STORED = "stored"


class Answered(NamedTuple):
    """One send and what it was told.

    Units:   seconds of perf_counter; ``took`` counts from the moment at which it was due, so that
             a client that could not send in time hides nothing.
    """

    number: int
    stream: int
    due: float
    took: float
    outcome: str

    @property
    def at(self) -> float:
        return self.due + self.took


class SendLoad:
    """Sends a number each 1/``rate`` s, to one stream after the other; every fourth with a key."""

    def __init__(self, host: str, streams: Sequence[str], rate: float) -> None:
        self.answers: list[Answered] = []
        self._host = host
        self._streams = streams
        self._rate = rate
        self._began = 0.0
        self._next = 0
        self._open: dict[int, float] = {}
        self._is_over = False

    @property
    def unanswered(self) -> int:
        return len(self._open)

    def next(self) -> Asked | None:
        due = self._began + self._next / self._rate
        if self._is_over or due > perf_counter():
            return None
        number = self._next
        self._next += 1
        self._open[number] = due
        return Asked(number, number % len(self._streams), self._wire(number))

    def answered(self, number: int, status: int, body: bytes, now: float) -> None:
        due = self._open.pop(number)
        outcome = STORED if status == 202 else _code(status, body)
        stream = number % len(self._streams)
        self.answers.append(Answered(number, stream, due, now - due, outcome))

    async def run(self, pool: Pool) -> None:
        self._began = perf_counter()
        pool.work = self
        while True:
            pool.pump()
            await asyncio.sleep(TICK_SECONDS)

    def end(self) -> None:
        """Send nothing more."""
        self._is_over = True

    def due_in(self, began: float, ended: float) -> list[Answered]:
        """Return the answered sends that were due in a time."""
        return [a for a in self.answers if began <= a.due < ended]

    def first_stored(self, since: float, stream: int | None = None) -> float | None:
        """Return when a send was first told to be stored after ``since``."""
        moments = (
            a.at
            for a in self.answers
            if a.outcome == STORED and a.at > since and stream in {None, a.stream}
        )
        return min(moments, default=None)

    def outcomes(self) -> Counter[str]:
        return Counter(answer.outcome for answer in self.answers)

    def _wire(self, number: int) -> bytes:
        body = b'{"data":%d}' % number
        key = f"Idempotency-Key: n{number}\r\n" if number % 4 == 0 else ""
        head = (
            f"POST /stream/{self._streams[number % len(self._streams)]}/send HTTP/1.1\r\n"
            f"Host: {self._host}\r\nx-api-key: {KEY}\r\n{key}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@asynccontextmanager
async def sending_to(url: str, streams: Sequence[str], rate: float) -> AsyncIterator[SendLoad]:
    """Send while the block runs; then wait for what is not answered yet."""
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    load = SendLoad(address.netloc, streams, rate)
    pool = Pool(address.hostname, address.port, CONNECTIONS)
    await pool.open()
    running = asyncio.ensure_future(load.run(pool))
    try:
        yield load
        load.end()
        await eventually(lambda: not load.unanswered, LAST_SECONDS)
    finally:
        running.cancel()
        pool.close()


async def check_the_log(settings: KafkaSettings, answers: Sequence[Answered]) -> None:
    """Compare what was told with what is stored: nothing lost, nothing twice, no lie."""
    log: Counter[int] = Counter()
    for partition in range(settings.partitions):
        for record in await everything_in(settings, settings.input_topic, partition):
            log[json.loads(record.value)] += 1
    told = {answer.number: answer.outcome for answer in answers}
    lost = [n for n, outcome in told.items() if outcome == STORED and n not in log]
    assert not lost, f"acknowledged and not there: {lost[:10]} of {len(told)}"
    assert max(log.values(), default=0) <= 1, "a record is there twice"
    lies = [n for n, told_so in told.items() if told_so == "broker-unavailable" and n in log]
    assert not lies, f"told to be nowhere, and yet stored: {lies[:10]}"


def _code(status: int, body: bytes) -> str:
    try:
        return str(json.loads(body)["code"])
    except (ValueError, KeyError, TypeError):
        return f"{status} {body[:80]!r}"
