"""Issued keys for tests, and a store of them in memory."""

from __future__ import annotations

from typing import Any

from streaming_runtime.core.api_keys import IssuedKey, Peppers, digest_of, generated, merged

PEPPERS = Peppers([b"a pepper of these tests"])
NOW_MS = 1_700_000_000_000


def issued(**changes: Any) -> tuple[str, IssuedKey]:
    """Return a key as its client sends it, and what is kept of it."""
    text, presented = generated()
    pepper = PEPPERS.newest
    fields: dict[str, Any] = {
        "key_id": presented.key_id,
        "tenant": "acme",
        "digest": digest_of(presented.secret, pepper),
        "pepper": pepper.version,
        "created_at": NOW_MS,
    }
    return text, IssuedKey(**fields | changes)


class MemoryKeys:
    """Implements core.ports.KnownKeys and IssuedKeyStore; counts what it was asked."""

    def __init__(self, *keys: IssuedKey) -> None:
        self.kept = {key.key_id: key for key in keys}
        self.failure: Exception | None = None
        self.asked: list[str] = []

    async def find(self, key_id: str) -> IssuedKey | None:
        return await self.get(key_id)

    async def put(self, key: IssuedKey) -> None:
        known = self.kept.get(key.key_id)
        self.kept[key.key_id] = key if known is None else merged(known, key)

    async def get(self, key_id: str) -> IssuedKey | None:
        self.asked.append(key_id)
        if self.failure is not None:
            raise self.failure
        return self.kept.get(key_id)

    async def all(self, tenant: str | None = None) -> list[IssuedKey]:
        found = [key for key in self.kept.values() if tenant in (None, key.tenant)]
        return sorted(found, key=lambda key: (key.created_at, key.key_id))
