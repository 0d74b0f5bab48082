"""Issued keys as credentials."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from streaming_runtime.core.api_keys import Peppers
from streaming_runtime.core.errors import Overloaded, Unauthorized
from streaming_runtime.core.key_file import KeyFile
from streaming_runtime.core.settings import CredentialSettings
from streaming_runtime.http.credential_kinds import CredentialKinds
from streaming_runtime.http.credentials import ConfiguredKeys
from streaming_runtime.http.issued_keys import KeptKeys, issued_keys
from tests.core.issued import NOW_MS, PEPPERS, MemoryKeys, issued


class Clock:
    """Milliseconds as a test tells them."""

    def __init__(self) -> None:
        self.now = NOW_MS

    def __call__(self) -> int:
        return self.now


def over(*places: MemoryKeys, clock: Clock | None = None) -> KeptKeys:
    return KeptKeys(places, PEPPERS, clock or Clock())


async def test_a_key_speaks_for_its_tenant() -> None:
    text, key = issued(scopes=frozenset({"read"}), streams="ab*", expires_at=NOW_MS + 1)

    principal = await over(MemoryKeys(key)).find(text.encode())

    assert principal == key.principal()


async def test_a_mistyped_key_is_refused_without_a_look_up() -> None:
    text, key = issued()
    store = MemoryKeys(key)

    for wrong in (text[:-1], text + "0", text.replace("_", "-"), text.swapcase(), "x"):
        assert await over(store).find(wrong.encode()) is None
    assert store.asked == []


async def test_the_id_of_a_key_with_the_secret_of_another_is_nobodys() -> None:
    _, key = issued()
    other, theirs = issued()
    swapped = replace(key, key_id=theirs.key_id)

    assert await over(MemoryKeys(swapped)).find(other.encode()) is None


async def test_an_unknown_key_is_nobodys() -> None:
    assert await over(MemoryKeys()).find(issued()[0].encode()) is None


async def test_a_key_that_is_revoked_or_expires_counts_no_more_without_a_restart() -> None:
    clock = Clock()
    text, key = issued(expires_at=NOW_MS + 1_000)
    store = MemoryKeys(key)
    keys = over(store, clock=clock)
    assert await keys.find(text.encode()) and await keys.counts(key.key_id)

    clock.now += 1_000
    assert await keys.find(text.encode()) is None
    assert not await keys.counts(key.key_id)

    clock.now = NOW_MS
    await store.put(replace(key, revoked_at=NOW_MS))
    assert await keys.find(text.encode()) is None
    assert not await keys.counts(key.key_id)


async def test_a_key_is_found_in_whichever_place_has_it() -> None:
    one, first = issued()
    other, second = issued(tenant="other")
    keys = over(MemoryKeys(first), MemoryKeys(second))

    found = [await keys.find(text.encode()) for text in (one, other)]

    assert [principal and principal.tenant for principal in found] == ["acme", "other"]


async def test_where_nobody_can_tell_it_says_so() -> None:
    text, key = issued()
    store = MemoryKeys(key)
    store.failure = Overloaded()

    with pytest.raises(Overloaded):
        await over(store).find(text.encode())


async def test_a_key_of_another_pepper_is_refused_and_its_operator_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text, key = issued()
    keys = KeptKeys([MemoryKeys(key)], Peppers([b"another pepper"]), Clock())

    assert [await keys.find(text.encode()) for _ in range(3)] == [None] * 3

    (told,) = caplog.records
    assert (told.levelno, vars(told)["key_id"]) == (logging.ERROR, key.key_id)
    assert "KEY_PEPPER or SIGNING_SECRET" in told.message
    assert text.split("_")[2] not in caplog.text


async def test_a_configured_key_and_an_issued_one_stand_side_by_side() -> None:
    text, key = issued()
    kinds = CredentialKinds(ConfiguredKeys([("own", "a-key")]), issued=over(MemoryKeys(key)))

    tenants = [
        (await kinds.principal_of({"x-api-key": sent}, {}, None)).tenant for sent in ("a-key", text)
    ]

    assert tenants == ["own", "acme"]
    with pytest.raises(Unauthorized) as refused:
        await kinds.principal_of({"x-api-key": issued()[0]}, {}, None)
    assert refused.value.headers["WWW-Authenticate"]


async def test_the_settings_name_a_file_and_its_keys_count(tmp_path: Path) -> None:
    path = str(tmp_path / "keys.json")
    text, key = issued()
    await KeyFile(path, lambda: 0.0).put(key)
    settings = CredentialSettings((), b"s", path, (b"a pepper of these tests",))

    principal = await issued_keys(settings, None, Clock()).find(text.encode())

    assert principal is not None and principal.key_id == key.key_id
