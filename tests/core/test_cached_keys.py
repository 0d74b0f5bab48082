"""Keys that are remembered: for how long, how many, and what happens while nobody can be asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from streaming_runtime.core import cached_keys
from streaming_runtime.core.cached_keys import (
    FRESH_SECONDS,
    UNKNOWN_SECONDS,
    USABLE_SECONDS,
    CachedKeys,
)
from streaming_runtime.core.errors import BrokerUnavailable, Overloaded
from tests.core.issued import NOW_MS, MemoryKeys, issued


class Clock:
    """Seconds as a test tells them."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_a_known_key_is_asked_for_once_in_a_while(clock: Clock) -> None:
    _, key = issued()
    store = MemoryKeys(key)
    cached = CachedKeys(store, clock)

    assert [await cached.find(key.key_id) for _ in range(3)] == [key] * 3
    clock.now += FRESH_SECONDS - 0.1
    await cached.find(key.key_id)
    assert len(store.asked) == 1

    clock.now += 0.2
    await cached.find(key.key_id)
    assert len(store.asked) == 2


async def test_a_revocation_is_known_within_the_minute(clock: Clock) -> None:
    _, key = issued()
    store = MemoryKeys(key)
    cached = CachedKeys(store, clock)
    await cached.find(key.key_id)

    store.kept[key.key_id] = replace(key, revoked_at=NOW_MS)
    clock.now += FRESH_SECONDS

    found = await cached.find(key.key_id)
    assert found is not None and found.revoked_at == NOW_MS
    assert USABLE_SECONDS + 10 <= 60


async def test_an_unknown_id_is_remembered_too_and_not_for_long(clock: Clock) -> None:
    _, key = issued()
    store = MemoryKeys()
    cached = CachedKeys(store, clock)

    assert [await cached.find(key.key_id) for _ in range(3)] == [None] * 3
    assert len(store.asked) == 1

    await store.put(key)
    clock.now += UNKNOWN_SECONDS
    assert await cached.find(key.key_id) == key


async def test_made_up_ids_never_drive_out_a_key_and_are_bounded(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_keys, "MOST_UNKNOWN", 10)
    _, key = issued()
    store = MemoryKeys(key)
    cached = CachedKeys(store, clock)
    await cached.find(key.key_id)

    for number in range(100):
        await cached.find(f"{number:012d}")
    store.asked.clear()
    await cached.find(key.key_id)

    assert store.asked == []
    assert len(cached._unknown) == 10


async def test_the_oldest_of_too_many_keys_is_forgotten(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_keys, "MOST_KEYS", 2)
    keys = [issued()[1] for _ in range(3)]
    store = MemoryKeys(*keys)
    cached = CachedKeys(store, clock)

    for key in keys:
        await cached.find(key.key_id)

    assert set(cached._known) == {key.key_id for key in keys[1:]}


async def test_many_that_want_one_key_at_once_ask_once_and_one_that_leaves_takes_nothing_away(
    clock: Clock,
) -> None:
    _, key = issued()
    store = MemoryKeys(key)
    cached = CachedKeys(store, clock)

    asking = [asyncio.ensure_future(cached.find(key.key_id)) for _ in range(20)]
    await asyncio.sleep(0)
    asking[0].cancel()
    found = await asyncio.gather(*asking[1:])

    assert found == [key] * 19
    assert len(store.asked) == 1


async def test_more_guesses_at_once_than_the_store_should_be_asked_are_told_to_come_again(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_keys, "MOST_AT_ONCE", 4)
    cached = CachedKeys(MemoryKeys(), clock)

    found = await asyncio.gather(
        *(cached.find(f"{number:012d}") for number in range(10)), return_exceptions=True
    )

    assert [type(one) for one in found] == [type(None)] * 4 + [Overloaded] * 6


async def test_while_nobody_can_be_asked_what_was_known_counts_for_a_while_only(
    clock: Clock,
) -> None:
    _, key = issued()
    store = MemoryKeys(key)
    cached = CachedKeys(store, clock)
    await cached.find(key.key_id)
    store.failure = BrokerUnavailable()

    clock.now += USABLE_SECONDS - 0.1
    assert await cached.find(key.key_id) == key
    clock.now += 0.2
    with pytest.raises(BrokerUnavailable):
        await cached.find(key.key_id)
    with pytest.raises(BrokerUnavailable):
        await cached.find("A" * 12)
