"""The issuer's public keys: fetched when first needed, and kept when the issuer is down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from streaming_runtime.core.errors import Overloaded
from streaming_runtime.http.key_source import KeysUnreadable, ReadKeys

log = logging.getLogger("millrace.tokens")

# From this age on a set is fetched anew beside the requests, from the second on before them.
FRESH_SECONDS = 600.0
STALE_SECONDS = 2 * FRESH_SECONDS
# What an unknown key id, or a failed fetch, makes us ask again at most.
ASK_AGAIN_SECONDS = 60.0
# While there is no set at all every token waits for one.
FIRST_AGAIN_SECONDS = 5.0
# A client waits for the fetch; what takes longer goes on without it.
WAIT_SECONDS = 5.0
MAX_KEYS = 100
SMALLEST_RSA_BITS = 2_048
KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "HS": "oct"}


class Key(Protocol):
    """A key as joserfc holds it."""

    @property
    def kid(self) -> str | None: ...

    @property
    def key_type(self) -> str: ...

    def get(self, name: str, /) -> Any: ...


class UnknownKey(Exception):
    """No key of the issuer fits the token."""


class KeySet:
    """The last good set of an issuer.

    Shape:  ``generation`` grows with each set that differs: what was checked with an earlier one
            is to be checked again.
    """

    def __init__(self, read: ReadKeys, now: Callable[[], float] = time.monotonic) -> None:
        self.generation = 0
        self._read = read
        self._now = now
        self._keys: tuple[Key, ...] = ()
        self._known: Any = None
        self._fetched_at = -STALE_SECONDS
        self._asked_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Fetch a set where there is none, or an old one.

        Raises:  Overloaded while there is none.
        """
        age = self._now() - self._fetched_at
        if self._keys and age < FRESH_SECONDS:
            return
        fetching = self._ask()
        if fetching is not None and (not self._keys or age >= STALE_SECONDS):
            await asyncio.wait({fetching}, timeout=WAIT_SECONDS)
        if not self._keys:
            raise Overloaded("The keys of the issuer of tokens cannot be had now")

    async def key(self, key_id: str | None, algorithm: str) -> Key:
        """Return the key that a token names, or the only one that fits where it names none.

        Raises:  UnknownKey; Overloaded while there is no set.
        """
        await self.refresh()
        found = self._fitting(key_id, algorithm)
        if not found and (fetching := self._ask()) is not None:
            await asyncio.wait({fetching}, timeout=WAIT_SECONDS)
            found = self._fitting(key_id, algorithm)
        if len(found) != 1:
            raise UnknownKey
        return found[0]

    def _fitting(self, key_id: str | None, algorithm: str) -> list[Key]:
        return [
            key
            for key in self._keys
            if (key_id is None or key.kid == key_id)
            and key.key_type == KEY_TYPES[algorithm[:2]]
            and key.get("alg") in (None, algorithm)
        ]

    def _ask(self) -> asyncio.Task[None] | None:
        """Return the fetch under way, begun now if it may be; all who need it share it."""
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        pause = ASK_AGAIN_SECONDS if self._keys else FIRST_AGAIN_SECONDS
        if self._asked_at is not None and self._now() - self._asked_at < pause:
            return None
        self._asked_at = self._now()
        self._fetching = asyncio.ensure_future(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            document, keys = await asyncio.to_thread(self._read_keys)
        except KeysUnreadable as failed:
            log.warning("key set not read", extra={"reason": str(failed)})
            return
        self._fetched_at = self._now()
        if document != self._known:
            self._known, self._keys = document, keys
            self.generation += 1

    def _read_keys(self) -> tuple[Any, tuple[Key, ...]]:
        """Return the document and its keys, in a thread.

        Raises:  KeysUnreadable, also for a set without a key for us: the one before is better.
        """
        document = self._read()
        listed = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(listed, list):
            raise KeysUnreadable("the issuer's document is no key set")
        keys = imported(listed[:MAX_KEYS])
        if not keys:
            raise KeysUnreadable("the key set holds no key that signs")
        return document, keys


def imported(listed: Sequence[Any]) -> tuple[Key, ...]:
    """Return the keys that may check a signature; one that we do not understand is passed over.

    Source:  RFC 7517, section 5.
    """
    # These take 0.2 s to import: here it happens in the thread that first fetches a set.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from joserfc.errors import JoseError  # noqa: PLC0415
    from joserfc.jwk import JWKRegistry  # noqa: PLC0415

    # What foreign JSON makes of numbers and curves is as open as what it may hold.
    unusable = (JoseError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, AttributeError)

    found = []
    for entry in listed:
        if not isinstance(entry, dict) or not _is_for_signatures(entry):
            continue
        try:
            key = JWKRegistry.import_key(entry)
            if _is_strong(key):
                found.append(key)
        except (*unusable, OverflowError):
            continue
    return tuple(found)


def _is_for_signatures(entry: dict[str, Any]) -> bool:
    operations = entry.get("key_ops")
    may_verify = operations is None or (isinstance(operations, list) and "verify" in operations)
    return entry.get("use") in (None, "sig") and may_verify


def _is_strong(key: Any) -> bool:
    return bool(key.key_type != "RSA" or key.public_key.key_size >= SMALLEST_RSA_BITS)
