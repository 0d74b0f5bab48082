"""core.ports.IssuedKeyStore, on every adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from streaming_runtime.core.settings import KafkaSettings
from tests.contracts.issued import KEYS, Holders
from tests.core.issued import NOW_MS, issued


@pytest.fixture(params=KEYS)
async def holders(request: pytest.FixtureRequest, unmade: KafkaSettings) -> AsyncIterator[Holders]:
    async with KEYS[request.param](unmade) as holders:
        yield holders


async def test_a_key_of_one_process_is_every_others_with_all_that_it_has(holders: Holders) -> None:
    _, full = issued(
        scopes=frozenset({"read"}),
        streams="ab*",
        label="für alle",
        expires_at=NOW_MS + 1,
        per_second=3,
        burst=7,
    )
    _, plain = issued()

    await holders.one.put(full)
    await holders.one.put(plain)

    assert await holders.other.get(full.key_id) == full
    assert await holders.other.get(plain.key_id) == plain
    assert await holders.other.get("A" * 12) is None


async def test_keys_are_listed_by_tenant_the_oldest_first(holders: Holders) -> None:
    tenants = ("acme", "other", "acme", "acme#1")
    keys = [issued(tenant=name, created_at=NOW_MS - at)[1] for at, name in enumerate(tenants)]
    for key in keys:
        await holders.one.put(key)

    assert await holders.other.all() == keys[::-1]
    assert await holders.other.all("acme") == [keys[2], keys[0]]
    assert await holders.other.all("nobody") == []


async def test_a_key_is_changed_and_stays_one_key(holders: Holders) -> None:
    _, key = issued()
    await holders.one.put(key)

    await holders.other.put(replace(key, expires_at=NOW_MS))

    assert await holders.one.all() == [replace(key, expires_at=NOW_MS)]


async def test_a_revocation_is_never_taken_back_by_who_had_not_heard_of_it(
    holders: Holders,
) -> None:
    _, key = issued()
    await holders.one.put(key)
    await holders.one.put(replace(key, revoked_at=NOW_MS))

    await holders.other.put(replace(key, expires_at=NOW_MS + 5))

    for store in holders:
        found = await store.get(key.key_id)
        assert found == replace(key, revoked_at=NOW_MS, expires_at=NOW_MS + 5)


async def test_changes_at_once_add_up(holders: Holders) -> None:
    _, key = issued()
    await holders.one.put(key)

    await asyncio.gather(
        holders.one.put(replace(key, revoked_at=NOW_MS)),
        holders.other.put(replace(key, expires_at=NOW_MS + 9)),
        holders.one.put(replace(key, expires_at=NOW_MS + 7)),
    )

    for store in holders:
        found = await store.get(key.key_id)
        assert found is not None
        assert (found.revoked_at, found.expires_at) == (NOW_MS, NOW_MS + 7)
