"""What the command does to keys."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from typing import Any

import pytest

from streaming_runtime.core.api_keys import IssuedKey, parsed
from streaming_runtime.core.audit import LOGGER
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.keys.changes import Keys, NotDone
from streaming_runtime.keys.options import parse
from tests.core.issued import NOW_MS, PEPPERS, MemoryKeys, issued


class Clock:
    """Milliseconds as a test tells them."""

    def __init__(self) -> None:
        self.now = NOW_MS

    def __call__(self) -> int:
        return self.now


def asked(*words: str) -> argparse.Namespace:
    return parse(["add", "--tenant", "acme", *words])


def keys_in(store: MemoryKeys, clock: Clock | None = None) -> Keys:
    return Keys(store, PEPPERS.newest, clock or Clock())


def fits(text: str, key: IssuedKey) -> bool:
    presented = parsed(text.encode())
    return presented is not None and PEPPERS.fits(presented, key)


async def test_a_key_is_made_with_what_was_asked_for() -> None:
    store = MemoryKeys()
    rights = ("--scopes", "read,send", "--streams", "Ab*", "--label", "site")
    ends = ("--expires-in", "60", "--per-second", "5")

    text, key = await keys_in(store).add(asked(*rights, *ends))

    assert fits(text, key)
    assert store.kept == {key.key_id: key}
    assert (key.tenant, key.streams, sorted(key.scopes)) == ("acme", "Ab*", ["read", "send"])
    assert (key.label, key.created_at, key.expires_at) == ("site", NOW_MS, NOW_MS + 60_000)
    assert (key.per_second, key.burst, key.revoked_at) == (5, 10, None)


async def test_without_a_word_it_may_start_send_and_read_for_ever() -> None:
    _, key = await keys_in(MemoryKeys()).add(asked())

    assert key.scopes == {"start", "send", "read"}
    assert (key.streams, key.expires_at, key.per_second, key.burst) == ("*", None, None, None)


async def test_a_rotation_makes_a_second_key_with_the_same_rights_and_both_count_meanwhile() -> (
    None
):
    clock = Clock()
    _, first = issued(scopes=frozenset({"read"}), streams="ab*", label="x", per_second=2, burst=3)
    store = MemoryKeys(first)
    clock.now += 5_000

    text, second, ending = await keys_in(store, clock).rotate(first.key_id, 60)

    assert fits(text, second) and second.key_id != first.key_id
    rights = replace(second, key_id=first.key_id, digest=first.digest, created_at=NOW_MS)
    assert rights == first
    assert store.kept[first.key_id] == ending == replace(first, expires_at=clock.now + 60_000)
    assert first.counts(clock.now) and second.counts(clock.now)


async def test_a_rotation_gives_the_second_key_as_long_a_life_and_never_the_first_a_longer() -> (
    None
):
    clock = Clock()
    _, first = issued(expires_at=NOW_MS + 100_000)
    clock.now += 90_000

    _, second, ending = await keys_in(MemoryKeys(first), clock).rotate(first.key_id, 3_600)

    assert second.expires_at == clock.now + 100_000
    assert ending.expires_at == first.expires_at


@pytest.mark.parametrize("end", [{"revoked_at": NOW_MS}, {"expires_at": NOW_MS}])
async def test_a_key_that_counts_no_more_is_not_rotated(end: dict[str, Any]) -> None:
    _, first = issued(**end)
    store = MemoryKeys(first)

    with pytest.raises(NotDone, match="add"):
        await keys_in(store).rotate(first.key_id, 60)
    assert store.kept == {first.key_id: first}


async def test_a_rotation_that_fails_half_way_leaves_the_first_key_as_it_was() -> None:
    class Failing(MemoryKeys):
        async def put(self, key: IssuedKey) -> None:
            raise BrokerUnavailable

    _, first = issued()
    store = Failing(first)

    with pytest.raises(BrokerUnavailable):
        await keys_in(store).rotate(first.key_id, 60)
    assert store.kept == {first.key_id: first}


async def test_a_revocation_keeps_its_first_moment() -> None:
    clock = Clock()
    _, key = issued()
    store = MemoryKeys(key)
    await keys_in(store, clock).revoke(key.key_id)
    clock.now += 1

    again = await keys_in(store, clock).revoke(key.key_id)

    assert again == store.kept[key.key_id] == replace(key, revoked_at=NOW_MS)


@pytest.mark.parametrize("action", ["revoke", "rotate"])
async def test_a_key_that_is_not_there_is_said_to_be_so(action: str) -> None:
    keys = keys_in(MemoryKeys())

    with pytest.raises(NotDone, match="list"):
        await (keys.revoke("A" * 12) if action == "revoke" else keys.rotate("A" * 12, 1))


async def test_every_change_stands_in_the_audit_log_and_no_secret_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    keys = keys_in(MemoryKeys())

    text, key = await keys.add(asked())
    other, second, _ = await keys.rotate(key.key_id, 60)
    await keys.revoke(key.key_id)

    entries = [(r.message, vars(r)["tenant"], vars(r)["key_id"]) for r in caplog.records]
    assert entries == [
        ("key added", "acme", key.key_id),
        ("key added", "acme", second.key_id),
        ("key rotated", "acme", key.key_id),
        ("key revoked", "acme", key.key_id),
    ]
    written = "".join(str(vars(record)) for record in caplog.records)
    assert not any(one.split("_")[2] in written for one in (text, other))
