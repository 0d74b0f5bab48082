"""The form of issued keys, and how a presented one is judged."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming_runtime.core import api_keys
from streaming_runtime.core.api_keys import (
    ALPHABET,
    SECRET_CHARACTERS,
    Pepper,
    Peppers,
    Presented,
    digest_of,
    generated,
    merged,
    parsed,
    pepper_from,
)
from tests.core.issued import NOW_MS, PEPPERS, issued


def test_a_key_is_its_prefix_its_id_its_secret_and_a_check() -> None:
    text, presented = generated()

    prefix, key_id, secret, check = text.split("_")
    assert (prefix, key_id, secret.encode()) == ("millrace", *presented)
    assert len(check) == 8
    assert parsed(text.encode()) == presented


def test_a_secret_has_256_random_bits() -> None:
    assert SECRET_CHARACTERS * math.log2(len(ALPHABET)) >= 256
    assert len({generated()[1].secret for _ in range(1_000)}) == 1_000


@given(st.data())
def test_a_key_with_one_character_changed_is_none(data: st.DataObject) -> None:
    text = generated()[0]
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(ALPHABET + "_- "))
    changed = text[:place] + other + text[place + 1 :]

    assert (parsed(changed.encode()) is None) == (changed != text)


@pytest.mark.parametrize(
    "key",
    [b"", b"test-api-key", b"millrace_", b"millrace_a_b_c", b"\xff" * 72, b"millrace_" * 100],
)
def test_what_has_another_form_is_none(key: bytes) -> None:
    assert parsed(key) is None


def test_two_neighbours_that_changed_places_are_noticed() -> None:
    text = "millrace_0123456789ab_" + "a1" * 21 + "b"
    key = f"{text}_{api_keys._check(text.encode())}"
    swapped = key.replace("ab_a1", "ab_1a")

    assert parsed(key.encode()) is not None
    assert parsed(swapped.encode()) is None


def test_a_digest_tells_nothing_of_its_secret_and_another_pepper_gives_another() -> None:
    secret = generated()[1].secret
    one, other = Peppers([b"1" * 16]).newest, Peppers([b"2" * 16]).newest

    digests = {digest_of(secret, one), digest_of(secret, other), digest_of(b"x", one)}

    assert len(digests) == 3
    assert all(len(bytes.fromhex(digest)) == 32 for digest in digests)
    assert secret.decode() not in "".join(digests)


def test_the_key_that_is_kept_fits_and_no_other() -> None:
    text, kept = issued()
    other, _ = issued()
    presented, wrong = parsed(text.encode()), parsed(other.encode())
    assert presented is not None and wrong is not None

    assert PEPPERS.fits(presented, kept)
    assert not PEPPERS.fits(Presented(kept.key_id, wrong.secret), kept)
    assert not PEPPERS.fits(presented, None)


def test_an_unknown_id_costs_a_digest_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []

    def counted(secret: bytes, _: Pepper) -> str:
        made.append(secret)
        return "0" * 64

    monkeypatch.setattr(api_keys, "digest_of", counted)

    assert not PEPPERS.fits(Presented("A" * 12, b"guess"), None)
    assert made == [b"guess"]


def test_a_key_of_an_earlier_pepper_still_fits_and_one_of_an_unknown_does_not() -> None:
    text, kept = issued()
    presented = parsed(text.encode())
    assert presented is not None

    assert Peppers([b"a newer pepper", b"a pepper of these tests"]).fits(presented, kept)
    assert not Peppers([b"a newer pepper"]).fits(presented, kept)
    # Without any, as well: whoever may write where keys are kept cannot make one that counts.
    assert not Peppers([]).fits(presented, kept)


def test_a_digest_without_a_pepper_is_refused_where_there_is_one() -> None:
    _, presented = generated()
    bare = Peppers([]).newest
    _, kept = issued()
    forged = replace(kept, digest=digest_of(presented.secret, bare), pepper=bare.version)

    assert Peppers([]).fits(presented, forged)
    assert not PEPPERS.fits(presented, forged)
    assert not PEPPERS.fits(presented, replace(forged, pepper=PEPPERS.newest.version))


def test_a_pepper_that_follows_from_a_secret_is_not_the_secret() -> None:
    assert pepper_from(b"secret") == pepper_from(b"secret") != pepper_from(b"other")
    assert b"secret" not in pepper_from(b"secret")


def test_a_key_counts_until_it_ends() -> None:
    _, key = issued(expires_at=NOW_MS + 1)

    assert key.counts(NOW_MS)
    assert not key.counts(NOW_MS + 1)
    assert not replace(key, revoked_at=NOW_MS).counts(NOW_MS)
    assert issued()[1].counts(NOW_MS * 2)


def test_a_principal_has_what_the_key_has() -> None:
    _, key = issued(scopes=frozenset({"read"}), streams="ab*", expires_at=5, per_second=3, burst=4)

    principal = key.principal()

    assert (principal.tenant, principal.key_id) == ("acme", key.key_id)
    assert principal.may("read", "abc")
    assert not principal.may("read", "xbc")
    assert not principal.may("send", "abc")
    assert (principal.expires_at, principal.per_second, principal.burst) == (5, 3, 4)


@pytest.mark.parametrize("is_swapped", [False, True])
def test_whatever_is_written_last_a_revocation_stays_and_the_earlier_end_counts(
    is_swapped: bool,
) -> None:
    _, key = issued()
    one, other = replace(key, revoked_at=7, expires_at=90), replace(key, expires_at=80)
    entries = (other, one) if is_swapped else (one, other)

    together = merged(*entries)

    assert (together.revoked_at, together.expires_at) == (7, 80)
    assert merged(key, key) is key
