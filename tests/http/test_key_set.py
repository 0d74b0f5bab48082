"""The keys of an issuer that is down, slow, talks rubbish, or changes them."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from joserfc.jwk import ECKey

from streaming_runtime.core.errors import Overloaded, Unauthorized
from streaming_runtime.http.key_set import KeySet, UnknownKey, imported
from streaming_runtime.http.key_source import KeysUnreadable
from tests.http.issuing import EC, RSA, Issuer

NEW = ECKey.generate_key("P-256", {"kid": "new"})


def key_set(issuer: Issuer) -> KeySet:
    return KeySet(issuer.read, issuer.clock)


async def known(keys: KeySet, name: str = "ec", algorithm: str = "ES256") -> bool:
    try:
        return (await keys.key(name, algorithm)).kid == name
    except UnknownKey:
        return False


async def test_nothing_is_fetched_before_a_token_comes() -> None:
    issuer = Issuer()
    keys = key_set(issuer)

    assert issuer.asked == 0
    assert await known(keys)
    assert await known(keys, "rsa", "RS256")
    assert issuer.asked == 1


async def test_all_who_need_a_set_share_one_fetch() -> None:
    issuer = Issuer()
    keys = key_set(issuer)

    assert all(await asyncio.gather(*(known(keys) for _ in range(50))))
    assert issuer.asked == 1


async def test_a_flood_of_unknown_keys_makes_one_fetch_a_minute() -> None:
    issuer = Issuer()
    keys = key_set(issuer)
    assert await known(keys)
    issuer.now += 61

    for minute in range(1, 4):
        found = await asyncio.gather(*(known(keys, f"made-up-{n}") for n in range(200)))
        assert not any(found)
        assert issuer.asked == 1 + minute
        issuer.now += 59
        assert not await known(keys, "made-up")
        assert issuer.asked == 1 + minute
        issuer.now += 2


async def test_a_new_key_counts_as_soon_as_a_token_names_it() -> None:
    issuer = Issuer()
    keys = key_set(issuer)
    assert await known(keys)

    issuer.keys = [EC, NEW]
    issuer.now += 61

    assert await known(keys, "new")
    assert await known(keys)


async def test_a_withdrawn_key_counts_no_longer_than_a_set_is_fresh() -> None:
    issuer = Issuer(EC, NEW)
    keys = key_set(issuer)
    assert await known(keys, "new")

    issuer.keys = [EC]
    issuer.now += 599
    assert await known(keys, "new")
    issuer.now += 2
    await keys.refresh()
    assert keys._fetching is not None
    await keys._fetching

    assert not await known(keys, "new")
    assert issuer.asked == 2


async def test_the_last_good_set_is_kept_while_the_issuer_is_down() -> None:
    issuer = Issuer()
    keys = key_set(issuer)
    assert await known(keys)
    generation = keys.generation

    issuer.is_down = True
    for _ in range(5):
        issuer.now += 3_600
        assert await known(keys)
        assert await known(keys)

    assert issuer.asked == 6
    assert keys.generation == generation


async def test_a_set_that_is_the_same_changes_nothing() -> None:
    issuer = Issuer()
    keys = key_set(issuer)
    await keys.refresh()
    issuer.now += 1_300
    await keys.refresh()

    assert (issuer.asked, keys.generation) == (2, 1)


async def test_without_any_set_a_token_is_asked_to_come_again() -> None:
    issuer = Issuer()
    issuer.is_down = True
    tokens = issuer.tokens()

    for _ in range(20):
        with pytest.raises(Overloaded):
            await tokens.principal_of(issuer.token())
    assert issuer.asked == 1

    issuer.is_down = False
    issuer.now += 6
    assert (await tokens.principal_of(issuer.token())).tenant == "acme"


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "keys",
        {},
        {"keys": None},
        {"keys": {}},
        {"keys": []},
        {"keys": [7, None, [], "x"]},
        {"keys": [{"kty": "RSA"}, {"kty": "EC", "crv": "P-256"}, {"kty": "new"}]},
        {"keys": [{"kty": "RSA", "n": 7, "e": "AQAB"}]},
        {"keys": [{"kty": "RSA", "n": "!", "e": "AQAB"}]},
        {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]},
        {"keys": [{"kty": "EC", "crv": ["P-256"], "x": "AA", "y": "AA"}]},
        {"keys": [{**RSA.as_dict(private=False), "use": "enc"}]},
        {"keys": [{**RSA.as_dict(private=False), "key_ops": ["encrypt"]}]},
        {"keys": [{**RSA.as_dict(private=False), "key_ops": 7}]},
        {"keys": [{**RSA.as_dict(private=False), "use": ["sig"]}]},
    ],
)
async def test_rubbish_is_no_set_and_replaces_none(document: Any) -> None:
    issuer = Issuer()
    with pytest.raises(Overloaded):
        await KeySet(lambda: document, issuer.clock).refresh()

    keys = KeySet(lambda: document if issuer.asked else issuer.read(), issuer.clock)
    assert await known(keys)
    issuer.now += 3_600
    assert await known(keys)


def test_keys_that_are_not_understood_are_passed_over() -> None:
    listed = [{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}, EC.as_dict(private=False), 7]

    assert [key.kid for key in imported(listed)] == ["ec"]


async def test_a_key_is_used_only_in_the_way_that_it_is_published_for() -> None:
    keys = KeySet(lambda: {"keys": [{**RSA.as_dict(private=False), "alg": "RS256"}]})

    assert await known(keys, "rsa", "RS256")
    assert not await known(keys, "rsa", "RS512")
    assert not await known(keys, "rsa", "ES256")
    assert not await known(keys, "rsa", "HS256")


async def test_a_token_that_names_no_key_needs_only_one_to_fit() -> None:
    issuer = Issuer(RSA, EC, NEW)
    keys = key_set(issuer)

    assert (await keys.key(None, "RS256")).kid == "rsa"
    with pytest.raises(UnknownKey):
        await keys.key(None, "ES256")


async def test_a_slow_issuer_keeps_nobody_who_has_a_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streaming_runtime.http.key_set.WAIT_SECONDS", 0.05)
    issuer, answer = Issuer(), threading.Event()

    def slow() -> Any:
        if issuer.asked:
            answer.wait(20)
        return issuer.read()

    keys = KeySet(slow, issuer.clock)
    assert await known(keys)

    try:
        issuer.now += 700
        assert await known(keys)
        assert not await known(keys, "made-up")
        issuer.now += 700
        assert await known(keys)
        assert issuer.asked == 1
    finally:
        answer.set()
    assert keys._fetching is not None
    await keys._fetching
    assert issuer.asked == 2


async def test_whoever_gives_up_waiting_leaves_the_fetch_to_the_others() -> None:
    issuer, answer = Issuer(), threading.Event()

    def slow() -> Any:
        answer.wait(20)
        return issuer.read()

    keys = KeySet(slow, issuer.clock)
    patient = asyncio.ensure_future(known(keys))
    impatient = asyncio.ensure_future(known(keys))
    await asyncio.sleep(0)
    impatient.cancel()
    answer.set()

    assert await patient
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_a_token_with_a_made_up_key_is_refused_while_the_issuer_is_down() -> None:
    issuer = Issuer()
    tokens = issuer.tokens()
    await tokens.principal_of(issuer.token())
    issuer.is_down = True
    issuer.now += 61

    with pytest.raises(Unauthorized):
        await tokens.principal_of(issuer.token(NEW, "ES256"))


def test_what_cannot_be_read_is_told_to_nobody() -> None:
    assert not issubclass(KeysUnreadable, OSError)
