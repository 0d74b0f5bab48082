"""Buckets in slots: what any window may see, what is refused, and what is handed over."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from streaming_runtime.core.slotted_buckets import SlottedBuckets, verdicts
from streaming_runtime.core.takes import Take, bucket_of

START = 1_700_000_000_000
takes = st.tuples(st.integers(0, 400), st.integers(1, 30), st.integers(1, 30))


@settings(max_examples=300)
@given(st.integers(1, 60), st.integers(2, 80), st.lists(takes, max_size=50))
def test_no_window_sees_more_than_the_burst_and_its_share(
    rate: int, burst: int, steps: list[tuple[int, int, int]]
) -> None:
    buckets, now = SlottedBuckets(), START
    one, two = (bucket_of(kind, rate, burst, "acme") for kind in ("records", "bytes"))
    taken: list[tuple[int, int]] = []

    for pause, first, second in steps:
        now += pause
        both = Take(one, first), Take(two, second)
        before = [buckets.level(bucket, now) for bucket in (one, two)]
        wait = max(buckets.ms_until(take, now) for take in both)
        if buckets.take_all(both, now):
            assert wait == 0
            taken.append((now, first))
        else:
            assert [buckets.level(bucket, now) for bucket in (one, two)] == before
            assert wait > 0
            assert not any(buckets.ms_until(take, now + wait) for take in both)
    for position, (begun, _) in enumerate(taken):
        total = 0
        for at, tokens in taken[position:]:
            # What is more than a bucket holds leaves a debt, and is nobody's within its limit.
            total += min(tokens, burst)
            assert total <= burst + (at - begun) * rate / 1_000


@given(st.integers(1, 60), st.integers(2, 80), st.lists(takes, max_size=20), st.integers(0, 900))
def test_what_is_handed_over_is_never_more_than_there_was(
    rate: int, burst: int, steps: list[tuple[int, int, int]], later: int
) -> None:
    before, after, now = SlottedBuckets(), SlottedBuckets(), START
    bucket = bucket_of("records", rate, burst, "acme")
    before.begin(START)
    for pause, tokens, _ in steps:
        now += pause
        before.take_all([Take(bucket, tokens)], now)

    after.take_over(before.lacking(now), before.empty_at_ms, now)

    at = now + later
    assert before.level(bucket, at) - 2 <= after.level(bucket, at) <= before.level(bucket, at)


def test_all_that_is_refused_is_there_after_the_seconds_of_the_refusal() -> None:
    buckets = SlottedBuckets()
    slow, fast = bucket_of("records", 1, 10, "acme"), bucket_of("bytes", 100, 200, "acme")
    wanted = Take(slow, 9), Take(fast, 199)
    assert buckets.take_all(wanted, START)
    assert not buckets.take_all(wanted, START + 8_999)

    told = verdicts(buckets, wanted, START, is_taken=False)

    assert [verdict.is_admitted for verdict in told] == [False]
    assert told[0].retry_after_seconds == 10
    assert buckets.take_all(wanted, START + 10_000)


def test_full_buckets_are_forgotten_and_others_are_not() -> None:
    buckets = SlottedBuckets()
    for number in range(10_001):
        buckets.take_all([Take(bucket_of("stream", 1_000, 20, f"{number}"), 1)], START)
    busy = bucket_of("stream", 1, 20, "busy")
    buckets.take_all([Take(busy, 19)], START)

    for number in range(10_001):
        buckets.take_all([Take(bucket_of("stream", 1_000, 20, f"{number}"), 1)], START + 1_000)

    assert buckets.lacking(START + 2_000) == {busy: 2}
    assert len(buckets._full_at) < 20_003


@settings(max_examples=400)
@given(
    st.integers(1, 60),
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60), st.integers(0, 60)), max_size=80),
    st.integers(0, 79),
)
def test_who_begins_late_never_believes_in_more_than_there_is(
    rate: int, burst: int, steps: list[tuple[int, int, int]], joins_at: int
) -> None:
    whole, late, now = SlottedBuckets(), SlottedBuckets(), START
    one, two = (bucket_of(kind, rate, burst, "acme") for kind in ("records", "bytes"))

    for number, (pause, first, second) in enumerate(steps):
        now += pause
        takes = [Take(one, first), *([Take(two, second)] if second else [])]
        if number == joins_at:
            late.begin(now, is_late=True)
            # Whoever is there tells of its debts each second.
            late.note(whole.debts(now))
        is_there = whole.take_all(takes, now)
        if number >= joins_at:
            assert late.take_all(takes, now) <= is_there
            for bucket in (one, two):
                assert late.level(bucket, now) <= whole.level(bucket, now)

    if len(steps) > joins_at:
        # Once it has seen them full it knows what all know.
        now += 200_000
        for tokens in (burst, 1, 1):
            assert late.take_all([Take(one, tokens)], now) is whole.take_all(
                [Take(one, tokens)], now
            )
            assert late.level(one, now) == whole.level(one, now)


def test_a_debt_is_told_and_goes_from_hand_to_hand() -> None:
    buckets, other = SlottedBuckets(), SlottedBuckets()
    bucket = bucket_of("bytes", 100, 200, "acme")
    assert buckets.take_all([Take(bucket, 20_000)], START)

    assert buckets.debts(START) == {bucket: buckets._full(bucket, 0)}
    assert buckets.debts(START + 190_000 + 9_000) == {}
    assert (buckets.level(bucket, START), buckets.balance(bucket, START)) == (0, 199 - 20_000)
    other.take_over(buckets.lacking(START), None, START)
    assert other.ms_until(Take(bucket, 1), START) >= 197_000
