"""Sends into every partition while brokers fail, and what must hold of them afterwards."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.clients import SEND_SECONDS
from streaming_runtime.kafka.producer import Stored, SupervisedProducer
from tests.eventually import eventually
from tests.kafka.parts import everything_in, outcome

# What a machine that runs three brokers besides may add to a deadline.
SLACK_SECONDS = 1.5
APART_SECONDS = 0.01
AT_ONCE_SECONDS = 0.5


class Sends:
    """One record after the other into each partition, each with its outcome.

    Shape:   ``stored`` is the value by place; ``refused`` are those told to be nowhere, ``unknown``
             those of which nobody knows; ``slowest`` is the longest wait for an outcome.
    """

    def __init__(self, producer: SupervisedProducer, settings: KafkaSettings) -> None:
        self.stored: dict[Stored, bytes] = {}
        self.refused: set[bytes] = set()
        self.unknown: set[bytes] = set()
        self.slowest = 0.0
        self.answers: Counter[str] = Counter()
        self._producer = producer
        self._topic = settings.input_topic
        self._settings = settings
        self._numbers: Iterator[int] = count()

    async def one(self, key: bytes) -> Stored | str:
        """Send a record and return its outcome."""
        value = b"%d" % next(self._numbers)
        self.unknown.add(value)
        began = time.monotonic()
        result = await outcome(self._producer.send(self._topic, key, value, []))
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.answers[result if isinstance(result, str) else "stored"] += 1
        if isinstance(result, Stored):
            self.unknown.discard(value)
            self.stored[result] = value
        elif result != "outcome-unknown":
            self.unknown.discard(value)
            self.refused.add(value)
        return result

    async def keep_sending(self, key: bytes) -> None:
        while True:
            await self.one(key)
            await asyncio.sleep(APART_SECONDS)

    async def returns(self, key: bytes, seconds: float = 5.0) -> float:
        """Return how long it takes until a record with this key is stored again."""
        began = time.monotonic()
        async with asyncio.timeout(seconds + SLACK_SECONDS):
            while not isinstance(await self.one(key), Stored):
                await asyncio.sleep(APART_SECONDS)
        return time.monotonic() - began

    async def more(self, records: int, seconds: float = 20.0) -> None:
        """Wait until so many more are stored."""
        wanted = len(self.stored) + records
        await eventually(lambda: len(self.stored) >= wanted, seconds)

    async def timed(self, key: bytes) -> tuple[Stored | str, float]:
        """Return the outcome of a send and how long it took."""
        began = time.monotonic()
        return await self.one(key), time.monotonic() - began

    async def is_refused_at_once(self, key: bytes, seconds: float = 20.0) -> None:
        """Wait until a partition is known to be in trouble."""
        async with asyncio.timeout(seconds):
            while True:
                told, took = await self.timed(key)
                if told == "broker-unavailable" and took < AT_ONCE_SECONDS:
                    return

    async def check(self, direct: str) -> None:
        """Compare with the log, read past everything that stands before the brokers."""
        settings = KafkaSettings(direct, "plaintext", self._settings.topic_prefix, 1)
        log: dict[Stored, bytes] = {}
        for partition in range(self._settings.partitions):
            for record in await everything_in(settings, self._topic, partition):
                log[Stored(partition, record.offset)] = record.value
        lost = {place for place, value in self.stored.items() if log.get(place) != value}
        assert not lost, f"acknowledged and not there: {sorted(lost)[:10]} of {len(self.stored)}"
        values = list(log.values())
        assert len(values) == len(set(values)), "a record is there twice"
        lies = self.refused & set(values)
        assert not lies, f"told to be nowhere, and yet stored: {sorted(lies)[:10]}"
        assert set(values) - set(self.stored.values()) <= self.unknown
        assert self.slowest < SEND_SECONDS + SLACK_SECONDS


async def keys_of_partitions(producer: SupervisedProducer, settings: KafkaSettings) -> list[bytes]:
    """Return a key for each partition, in their order."""
    found: dict[int, bytes] = {}
    for number in count():
        key = b"%022d" % number
        found.setdefault(await producer.partition_for(settings.input_topic, key), key)
        if len(found) == settings.partitions:
            break
    return [found[partition] for partition in range(settings.partitions)]


@asynccontextmanager
async def sending(sends: Sends, keys: list[bytes]) -> AsyncIterator[None]:
    """Keep sending with each of these keys while the block runs."""
    tasks = [asyncio.ensure_future(sends.keep_sending(key)) for key in keys]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
