"""What the command does to keys, wherever they are kept."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

from streaming_runtime.core.api_keys import IssuedKey, Pepper, digest_of, generated
from streaming_runtime.core.audit import key_changed
from streaming_runtime.core.ports import IssuedKeyStore

SECOND_MS = 1_000


class NotDone(Exception):
    """It cannot be done; the text says why and what to do."""


class Keys:
    """Makes and withdraws keys of one store, and enters each change in the audit log."""

    def __init__(self, store: IssuedKeyStore, pepper: Pepper, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._pepper = pepper
        self._now_ms = now_ms

    async def add(self, asked: argparse.Namespace) -> tuple[str, IssuedKey]:
        """Store a new key; return it as its client sends it, and what is kept of it."""
        now = self._now_ms()
        ends_in = asked.expires_in
        burst = asked.burst or (2 * asked.per_second if asked.per_second else None)
        text, key = self._made(
            IssuedKey(
                key_id="",
                tenant=asked.tenant,
                digest="",
                pepper="",
                created_at=now,
                scopes=asked.scopes,
                streams=asked.streams,
                label=asked.label,
                expires_at=None if ends_in is None else now + ends_in * SECOND_MS,
                per_second=asked.per_second,
                burst=burst,
            )
        )
        await self._store.put(key)
        key_changed("added", key.tenant, key.key_id)
        return text, key

    async def rotate(self, key_id: str, overlap: int) -> tuple[str, IssuedKey, IssuedKey]:
        """Store a second key with the rights of a first, which ends after the overlap.

        Shape:   the new key as its client sends it, what is kept of it, and the first one; a first
                 one that was made for some time is followed by one for as long.
        Raises:  NotDone for a key that does not count any more.
        """
        now, first = self._now_ms(), await self._known(key_id)
        if not first.counts(now):
            raise NotDone(f"{key_id} does not count any more: make a key with `add`")
        lasts = None if first.expires_at is None else first.expires_at - first.created_at
        until = None if lasts is None else now + lasts
        text, second = self._made(replace(first, created_at=now, expires_at=until))
        ends_at = now + overlap * SECOND_MS
        ending = replace(first, expires_at=min(ends_at, first.expires_at or ends_at))
        # The new one first: whatever fails in between, nobody is left without a key.
        await self._store.put(second)
        key_changed("added", second.tenant, second.key_id)
        await self._store.put(ending)
        key_changed("rotated", ending.tenant, key_id, successor=second.key_id)
        return text, second, ending

    async def revoke(self, key_id: str) -> IssuedKey:
        """Withdraw a key; one that is withdrawn already stays so.

        Raises:  NotDone if there is no such key.
        """
        known = await self._known(key_id)
        if known.revoked_at is not None:
            return known
        revoked = replace(known, revoked_at=self._now_ms())
        await self._store.put(revoked)
        key_changed("revoked", revoked.tenant, key_id)
        return revoked

    async def all(self, tenant: str | None) -> list[IssuedKey]:
        return await self._store.all(tenant)

    async def _known(self, key_id: str) -> IssuedKey:
        known = await self._store.get(key_id)
        if known is None:
            raise NotDone(
                f"there is no key {key_id} here: `list` shows those that there are; keys of a file"
                " are found with --file"
            )
        return known

    def _made(self, rights: IssuedKey) -> tuple[str, IssuedKey]:
        text, presented = generated()
        digest = digest_of(presented.secret, self._pepper)
        key = replace(rights, key_id=presented.key_id, digest=digest, pepper=self._pepper.version)
        return text, key
