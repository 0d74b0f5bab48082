"""Issued keys in the topic of streams: whatever follows that topic knows them, and at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from operator import attrgetter

from streaming_runtime.core.api_keys import IssuedKey, merged
from streaming_runtime.core.key_entries import KEY_PREFIX, to_json
from streaming_runtime.kafka.registry import KafkaRegistry

# Guesses cost Kafka no more than one question in so long.
LOOK_SECONDS = 1.0


class KafkaKeys:
    """Implements core.ports.KnownKeys and IssuedKeyStore over the registry's log.

    Units:  ``now`` counts seconds.
    """

    def __init__(self, registry: KafkaRegistry, now: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._now = now
        self._looked_at = float("-inf")
        self._looking: asyncio.Future[None] | None = None

    async def find(self, key_id: str) -> IssuedKey | None:
        """Return what is known here: a change is within the time of one fetch.

        A client may be faster than that with a key that was just made, so for an unknown one the
        log is read to its end now and then.

        Raises:  BrokerUnavailable.
        """
        key = self._registry.issued.get(key_id)
        if key is None:
            await self._look()
            key = self._registry.issued.get(key_id)
        return key

    async def _look(self) -> None:
        """Catch up, unless that was done just now; all who come meanwhile wait for the one look."""
        if self._looking is None:
            if self._now() - self._looked_at < LOOK_SECONDS:
                return
            self._looked_at = self._now()
            self._looking = asyncio.ensure_future(self._registry.catch_up())
            self._looking.add_done_callback(self._has_looked)
        await asyncio.shield(self._looking)

    def _has_looked(self, looking: asyncio.Future[None]) -> None:
        self._looking = None
        if not looking.cancelled():
            looking.exception()  # Perhaps nobody waits any more: then it is no fault unseen.

    async def put(self, key: IssuedKey) -> None:
        if (known := self._registry.issued.get(key.key_id)) is not None:
            key = merged(known, key)
        await self._write(key)
        latest = self._registry.issued.get(key.key_id)
        if latest is not None and latest != key:
            # Somebody revoked it before us, and compaction will keep only the last entry.
            await self._write(latest)

    async def get(self, key_id: str) -> IssuedKey | None:
        await self._registry.catch_up()
        return self._registry.issued.get(key_id)

    async def all(self, tenant: str | None = None) -> list[IssuedKey]:
        await self._registry.catch_up()
        found = [key for key in self._registry.issued.all() if tenant in (None, key.tenant)]
        return sorted(found, key=attrgetter("created_at", "key_id"))

    async def _write(self, key: IssuedKey) -> None:
        await self._registry.write(KEY_PREFIX + key.key_id.encode(), to_json(key))
