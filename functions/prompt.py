"""Looking something up in Kafka from a process that was frozen: what is new first, and soon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from streaming_runtime.core.api_keys import IssuedKey
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.model import Incarnation, Position, Stream
from streaming_runtime.core.ports import Bounds, Feed, ResultsLog
from streaming_runtime.kafka.registry import KafkaRegistry

# With connections that died unseen a function still answers within 6 s of its call: a try on those
# that stand, and one on new ones.
LOOK_UP_SECONDS = 4.5
# A key that was revoked while the process was frozen is refused within 60 s; one that was just made
# is known a little later than it could be, so that guesses cost no question each.
KEYS_SECONDS = 25.0
UNKNOWN_KEY_SECONDS = 2.0


class PromptRegistry:
    """Implements core.ports.StreamRegistry over one that follows its topic only while we run.

    What others have written since the last call, as the end of a stream, is read before an answer.
    """

    def __init__(self, registry: KafkaRegistry) -> None:
        self._registry = registry

    async def put(self, stream: Stream) -> None:
        await self._registry.put(stream)

    def at_hand(self, stream_id: str) -> Stream | None:
        return None

    async def get(self, stream_id: str) -> Stream | None:
        async with _soon():
            await self._registry.catch_up()
        return await self._registry.get(stream_id)

    async def page(self, tenant: str, after: tuple[int, str] | None, limit: int) -> list[Stream]:
        async with _soon():
            return await self._registry.page(tenant, after, limit)


class PromptKeys:
    """Implements core.ports.KnownKeys over a registry that follows its topic only while we run.

    Units:  ``now`` counts seconds, also while the process is frozen.
    """

    def __init__(self, registry: KafkaRegistry, now: Callable[[], float]) -> None:
        self._registry = registry
        self._now = now
        self._read_at = now()

    async def find(self, key_id: str) -> IssuedKey | None:
        key = self._registry.issued.get(key_id)
        age = self._now() - self._read_at
        if not 0 <= age < (UNKNOWN_KEY_SECONDS if key is None else KEYS_SECONDS):
            at = self._now()
            async with _soon():
                await self._registry.catch_up()
            self._read_at = at
        return self._registry.issued.get(key_id)


class PromptLog:
    """Implements core.ports.ResultsLog over another, whose questions take longer to be given up."""

    def __init__(self, log: ResultsLog) -> None:
        self._log = log

    @property
    def incarnation(self) -> Incarnation:
        return self._log.incarnation

    async def bounds(self, partition: int) -> Bounds:
        async with _soon():
            return await self._log.bounds(partition)

    async def sources(self, partition: int) -> Bounds:
        async with _soon():
            return await self._log.sources(partition)

    async def tip(self, partition: int) -> Position:
        async with _soon():
            return await self._log.tip(partition)

    def follow(self, stream: Stream, position: Position) -> AbstractAsyncContextManager[Feed]:
        return self._log.follow(stream, position)


@asynccontextmanager
async def _soon() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS):
            yield
    except TimeoutError:
        raise BrokerUnavailable("Kafka did not answer in time") from None
