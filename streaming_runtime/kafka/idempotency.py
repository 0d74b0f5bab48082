"""Claims of Idempotency-Keys on a topic: the first in the log counts, so all replicas agree."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord

from streaming_runtime.core.entries import BadEntry
from streaming_runtime.core.errors import BrokerUnavailable, Overloaded, StreamingError
from streaming_runtime.core.ports import Claim, Ends
from streaming_runtime.kafka.follower import Follower
from streaming_runtime.kafka.idempotency_entries import Claimed, Released, decode, encode
from streaming_runtime.kafka.idempotency_index import ClaimIndex, Row
from streaming_runtime.kafka.offsets import Offsets
from streaming_runtime.kafka.producer import SupervisedProducer

log = logging.getLogger("millrace.kafka.idempotency")

RETRY_SECONDS = 0.5
# Releases that wait to be written; without one a key is free 5 s later.
MAX_RELEASES = 10_000
UNREADABLE = (
    "Kafka gives no access to the Idempotency-Keys now, so nothing was stored; "
    "without a key it may be"
)
OFFSETS = msgspec.json.Decoder(tuple[int | None, ...])


class KafkaClock:
    """Kafka's clock, as far as what it stamped tells: never ahead of it."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._ahead_ms = 0.0

    def note(self, timestamp: int) -> None:
        self._ahead_ms = max(self._ahead_ms, timestamp - self._monotonic() * 1000)

    def now_ms(self) -> int:
        """Return the latest moment that has certainly come; 0 while nothing was read."""
        return int(self._ahead_ms + self._monotonic() * 1000) if self._ahead_ms else 0


class KafkaClaims:
    """Implements core.ports.KeyClaims over the ``idempotency`` topic.

    Nothing of it runs before ``begin``, or the first look for a key: a process without keyed
    sends does not pay for them.
    """

    def __init__(
        self,
        topic: str,
        producer: SupervisedProducer,
        offsets: Offsets,
        make_consumer: Callable[[], AIOKafkaConsumer],
        now_ms: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topic = topic
        self._producer = producer
        self._follower = Follower(topic, offsets, make_consumer, self._apply_all)
        self._now_ms = now_ms
        self._clock = KafkaClock(monotonic)
        self._owner = secrets.token_hex(8)
        self._index: ClaimIndex | None = None
        self._claims_made = 0
        self._waiters: dict[int, asyncio.Future[Claim]] = {}
        # What this process let go of, until it has read that back.
        self._unused: dict[bytes, int] = {}
        self._releases: asyncio.Queue[tuple[bytes, Released]] = asyncio.Queue(MAX_RELEASES)
        self._is_wanted = asyncio.Event()
        self._has_caught_up = asyncio.Event()
        self._is_unreadable = False

    def begin(self) -> None:
        """Read the topic from now on, so that the first look for a key need not wait."""
        self._is_wanted.set()

    async def run(self) -> None:
        """Follow the topic until cancelled, once it is wanted.

        Raises:  ExceptionGroup on a fault of ours, or when the topic was made anew.
        """
        await self._is_wanted.wait()
        self._index = ClaimIndex()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._producer.supervise())
                tasks.create_task(self._follower.follow())
                tasks.create_task(self._catch_up())
                tasks.create_task(self._write_releases())
        finally:
            index, self._index = self._index, None
            index.close()

    async def find(self, use: bytes) -> Claim | None:
        index = await self._caught_up()
        row = index.find(use)
        return None if row is None or row.is_over(self._now()) else self._claim_of(use, row)

    async def find_latest(self, use: bytes) -> Claim | None:
        await self._caught_up()
        await self._follower.catch_up()
        return await self.find(use)

    async def claim(self, use: bytes, digest: bytes, ends: Ends, over: Claim | None) -> Claim:
        await self._caught_up()
        self._claims_made += 1
        number = self._claims_made
        place = None if over is None else over.place
        entry = Claimed(self._owner, number, digest.hex(), ends.input, ends.results, place)
        waiter: asyncio.Future[Claim] = asyncio.get_running_loop().create_future()
        self._waiters[number] = waiter
        try:
            await self._producer.send(self._topic, use.hex().encode(), encode(entry), [])
            return await waiter
        except Overloaded:
            raise
        except StreamingError as exc:
            # Whatever became of the claim, its record was not sent.
            self._give_up(use, waiter)
            raise BrokerUnavailable from exc
        except asyncio.CancelledError:
            self._give_up(use, waiter)
            raise
        finally:
            # Read later, a claim that nobody waits for is released.
            self._waiters.pop(number, None)

    async def keep(self, use: bytes, claim: Claim, offsets: tuple[int | None, ...]) -> None:
        if self._index is not None:
            self._index.keep(use, claim.place, msgspec.json.encode(offsets))

    async def release(self, use: bytes, claim: Claim, *, is_unused: bool) -> None:
        if is_unused:
            self._release_unused(use, claim.place)
        else:
            self._queue_release(use, claim.place, is_unused=False)

    async def _caught_up(self) -> ClaimIndex:
        self.begin()
        if self._is_unreadable:
            raise BrokerUnavailable(UNREADABLE)
        await self._has_caught_up.wait()
        if self._index is None:
            raise BrokerUnavailable("This process is ending")
        return self._index

    async def _catch_up(self) -> None:
        while True:
            try:
                await self._follower.catch_up()
            except BrokerUnavailable as exc:
                self._is_unreadable = True
                log.warning("the keys cannot be read", extra={"reason": str(exc)})
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._is_unreadable = False
                self._has_caught_up.set()
                return

    async def _write_releases(self) -> None:
        while True:
            turn = [await self._releases.get()]
            while not self._releases.empty():
                turn.append(self._releases.get_nowait())
            outcomes = await asyncio.gather(
                *(
                    self._producer.send(self._topic, use.hex().encode(), encode(entry), [])
                    for use, entry in turn
                ),
                return_exceptions=True,
            )
            failed = sum(isinstance(outcome, StreamingError) for outcome in outcomes)
            if failed:
                log.warning("keys are free later than they could be", extra={"keys": failed})

    def _give_up(self, use: bytes, waiter: asyncio.Future[Claim]) -> None:
        """Release a claim that was read back in the very moment in which nobody waited any more."""
        if waiter.done() and not waiter.cancelled() and waiter.result().is_mine:
            self._release_unused(use, waiter.result().place)

    def _release_unused(self, use: bytes, place: int) -> None:
        if len(self._unused) >= MAX_RELEASES:
            del self._unused[next(iter(self._unused))]
        self._unused[use] = place
        self._queue_release(use, place, is_unused=True)

    def _queue_release(self, use: bytes, place: int, *, is_unused: bool) -> None:
        if self._releases.full():
            self._releases.get_nowait()
        self._releases.put_nowait((use, Released(self._owner, place, is_unused)))

    def _now(self) -> int:
        # Either clock may be behind. What is decided by one that is ahead, the log decides again.
        return max(self._now_ms(), self._clock.now_ms())

    def _claim_of(self, use: bytes, row: Row, *, is_mine: bool = False) -> Claim:
        return Claim(
            row.place,
            row.digest,
            Ends(row.input, row.results),
            row.at,
            is_mine,
            row.is_open_to(self._owner, self._now()),
            self._unused.get(use) == row.place,
            None if row.offsets is None else OFFSETS.decode(row.offsets),
        )

    def _apply_all(self, records: Sequence[ConsumerRecord]) -> None:
        assert self._index is not None
        with self._index.together():
            for record in records:
                self._clock.note(record.timestamp)
                try:
                    use, entry = decode(record.key, record.value)
                except BadEntry as exc:
                    log.warning("an entry is passed over", extra={"reason": str(exc)})
                    continue
                if isinstance(entry, Claimed):
                    self._apply_claim(self._index, use, entry, record.offset, record.timestamp)
                else:
                    self._apply_release(self._index, use, entry)
            self._index.expire(records[-1].timestamp)

    def _apply_claim(
        self, index: ClaimIndex, use: bytes, entry: Claimed, place: int, at: int
    ) -> None:
        row = index.take(use, entry, place, at)
        if entry.by != self._owner:
            return
        is_mine = row.place == place
        waiter = self._waiters.pop(entry.number, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(self._claim_of(use, row, is_mine=is_mine))
        elif is_mine:
            self._release_unused(use, place)

    def _apply_release(self, index: ClaimIndex, use: bytes, entry: Released) -> None:
        index.release(use, entry.by, entry.claim, is_unused=entry.is_unused)
        if self._unused.get(use) == entry.claim:
            del self._unused[use]
