"""Issued keys that are far away, remembered for a while: also that there is none of an id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from streaming_runtime.core.api_keys import IssuedKey
from streaming_runtime.core.errors import Overloaded, StreamingError
from streaming_runtime.core.ports import IssuedKeyStore

# A revocation acts within 60 s: so long an answer is taken for the truth, and twice as long while
# nobody can be asked.
FRESH_SECONDS = 25.0
USABLE_SECONDS = 50.0
# A key that was just made should not be unknown for long to whoever tried it too early.
UNKNOWN_SECONDS = 5.0
MOST_KEYS = 10_000
# Ids that exist and ids that somebody made up are remembered apart, so that these never drive out
# those.
MOST_UNKNOWN = 10_000
# What guesses may cost: beyond it an id that is not remembered has to wait.
MOST_AT_ONCE = 64


class Seen(NamedTuple):
    """An answer of the store, and when it was asked."""

    key: IssuedKey | None
    at: float


class CachedKeys:
    """Implements core.ports.KnownKeys over a store that each look-up is a call to.

    Units:  ``now`` counts seconds; of a function it goes on while that is frozen.
    """

    def __init__(self, store: IssuedKeyStore, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._known: dict[str, Seen] = {}
        self._unknown: dict[str, Seen] = {}
        self._asking: dict[str, asyncio.Future[IssuedKey | None]] = {}

    async def find(self, key_id: str) -> IssuedKey | None:
        """Return what is remembered, or ask; many that ask for one id at once ask once.

        Raises:  Overloaded, or what the store raises.
        """
        seen = self._known.get(key_id) or self._unknown.get(key_id)
        age = self._now() - seen.at if seen is not None else 0.0
        if seen is not None and age < (FRESH_SECONDS if seen.key else UNKNOWN_SECONDS):
            return seen.key
        try:
            return await self._asked(key_id)
        except StreamingError:
            if seen is not None and seen.key is not None and age < USABLE_SECONDS:
                return seen.key
            raise

    async def _asked(self, key_id: str) -> IssuedKey | None:
        asking = self._asking.get(key_id)
        if asking is None:
            if len(self._asking) >= MOST_AT_ONCE:
                raise Overloaded("Too many unknown keys come at once: try again")
            asking = asyncio.ensure_future(self._ask(key_id))
            self._asking[key_id] = asking
            asking.add_done_callback(lambda done: self._answered(key_id, done))
        # Who leaves does not take the answer away from the others.
        return await asyncio.shield(asking)

    def _answered(self, key_id: str, done: asyncio.Future[IssuedKey | None]) -> None:
        self._asking.pop(key_id, None)
        if not done.cancelled():
            done.exception()  # Perhaps nobody waits any more: then it is no fault that nobody saw.

    async def _ask(self, key_id: str) -> IssuedKey | None:
        at = self._now()
        key = await self._store.get(key_id)
        self._known.pop(key_id, None)
        self._unknown.pop(key_id, None)
        kept, most = (self._unknown, MOST_UNKNOWN) if key is None else (self._known, MOST_KEYS)
        if len(kept) >= most:
            del kept[next(iter(kept))]
        kept[key_id] = Seen(key, at)
        return key
