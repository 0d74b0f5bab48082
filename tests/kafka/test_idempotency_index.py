"""The claims that count, judged from the log alone."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from streaming_runtime.core.idempotency import KEPT_MS, TAKEOVER_MS
from streaming_runtime.kafka import idempotency_index
from streaming_runtime.kafka.idempotency_entries import Claimed
from streaming_runtime.kafka.idempotency_index import ClaimIndex

USE = b"k" * 16
HOUR = 3_600_000
START = 1_000_000


@pytest.fixture
def index() -> Iterator[ClaimIndex]:
    index = ClaimIndex()
    yield index
    index.close()


def entry(by: str = "one", digest: str = "aa", over: int | None = None) -> Claimed:
    return Claimed(by, 1, digest, 10, 20, over)


def test_the_first_counts_until_a_day_is_over(index: ClaimIndex) -> None:
    first = index.take(USE, entry(), 0, START)

    assert index.take(USE, entry("other"), 1, START + 24 * HOUR) == first
    assert index.take(USE, entry("other"), 2, START + KEPT_MS - 1) == first
    assert index.take(USE, entry("other", "bb"), 3, START + KEPT_MS).place == 3
    assert KEPT_MS > 24 * HOUR


def test_another_process_takes_over_by_name_and_by_age(index: ClaimIndex) -> None:
    index.take(USE, entry(), 0, START)
    later = START + TAKEOVER_MS

    assert index.take(USE, entry("other", over=0), 1, later - 1).place == 0
    assert index.take(USE, entry("other"), 2, later).place == 0
    assert index.take(USE, entry("other", "bb", over=0), 3, later).place == 0
    assert index.take(USE, entry("other", over=0), 4, later).place == 4
    assert index.take(USE, entry("third", over=0), 5, 2 * later).place == 4


def test_its_own_process_takes_over_at_once_with_any_body(index: ClaimIndex) -> None:
    index.take(USE, entry(), 0, START)

    assert index.take(USE, entry(digest="bb"), 1, START).place == 0
    assert index.take(USE, entry(digest="bb", over=0), 2, START).place == 2


def test_a_release_counts_only_for_the_claim_it_names(index: ClaimIndex) -> None:
    index.take(USE, entry(), 5, START)

    index.release(USE, "other", 5, is_unused=True)
    index.release(USE, "one", 4, is_unused=True)
    index.release(b"x" * 16, "one", 5, is_unused=True)
    assert index.find(USE) is not None
    index.release(USE, "one", 5, is_unused=True)
    assert index.find(USE) is None


def test_a_claim_that_was_left_is_open_to_all(index: ClaimIndex) -> None:
    index.take(USE, entry(), 0, START)

    index.release(USE, "one", 0, is_unused=False)

    row = index.find(USE)
    assert row is not None and row.is_open_to("other", START)
    assert index.take(USE, entry("other", over=0), 1, START).place == 1


def test_an_answer_is_kept_for_the_claim_that_has_it(index: ClaimIndex) -> None:
    index.take(USE, entry(), 0, START)

    index.keep(USE, 7, b"[1]")
    unknown = index.find(USE)
    index.keep(USE, 0, b"[2]")
    known = index.find(USE)

    assert unknown is not None and unknown.offsets is None
    assert known is not None and known.offsets == b"[2]"


def test_what_is_over_is_removed_bit_by_bit(
    index: ClaimIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency_index, "EXPIRED_AT_ONCE", 3)
    uses = [secrets.token_bytes(16) for _ in range(5)]
    with index.together():
        for place, use in enumerate(uses):
            index.take(use, entry(), place, START + place)

    index.expire(START + KEPT_MS + 3)
    left = [index.find(use) is not None for use in uses]
    index.expire(START + KEPT_MS + 3)

    assert sum(left) == 2
    assert [index.find(use) is not None for use in uses] == [False] * 4 + [True]


def test_claims_beyond_the_cache_are_all_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        idempotency_index, "SCHEMA", idempotency_index.SCHEMA.replace("-8192", "-64")
    )
    index = ClaimIndex()
    uses = [secrets.token_bytes(16) for _ in range(20_000)]
    with index.together():
        for place, use in enumerate(uses):
            index.take(use, entry(), place, START)

    known = [index.find(use) is not None for use in uses]
    index.close()
    assert "-64" in idempotency_index.SCHEMA
    assert all(known)
