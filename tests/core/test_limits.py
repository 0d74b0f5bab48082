import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming_runtime.core.limits import Buckets, TenantLimits, TokenBucket, Verdict

rates = st.integers(1, 50)
bursts = st.integers(1, 60)
# Sixteenths of a second are exact in a float, so the model has nothing to round.
pauses = st.lists(st.integers(0, 40), max_size=80)


def _times(pauses: list[int], begin: float = 1_000.0) -> list[float]:
    return [begin + sum(pauses[: i + 1]) / 16 for i in range(len(pauses))]


class ExactBucket:
    """The rule in fractions."""

    def __init__(self, rate: int, burst: int, now: float) -> None:
        self.rate, self.burst, self.tokens, self.updated = rate, burst, Fraction(burst), now

    def take(self, now: float) -> bool:
        gained = Fraction(now - self.updated) * self.rate
        self.tokens, self.updated = min(Fraction(self.burst), self.tokens + gained), now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@given(rates, bursts, pauses)
def test_a_bucket_admits_what_the_rule_says_and_nothing_else(
    rate: int, burst: int, pauses: list[int]
) -> None:
    bucket, exact = TokenBucket(rate, burst, 1_000.0), ExactBucket(rate, burst, 1_000.0)

    for now in _times(pauses):
        verdict = bucket.take(1, now)

        assert verdict.is_admitted is exact.take(now)
        assert verdict.remaining == math.floor(exact.tokens)


@given(rates, bursts, pauses)
def test_no_window_sees_more_than_the_burst_and_its_share(
    rate: int, burst: int, pauses: list[int]
) -> None:
    bucket = TokenBucket(rate, burst, 1_000.0)
    admitted = [now for now in _times(pauses) if bucket.take(1, now).is_admitted]

    for i, first in enumerate(admitted):
        for j, last in enumerate(admitted[i:], i):
            assert j - i + 1 <= burst + (last - first) * rate


@given(rates, bursts, st.lists(st.floats(0, 3), max_size=60), st.integers(1, 5))
def test_a_request_after_retry_after_succeeds(
    rate: int, burst: int, pauses: list[float], count: int
) -> None:
    now = 1_700_000_000.0
    bucket = TokenBucket(rate, burst, now)

    for pause in pauses:
        now += pause
        verdict = bucket.take(count, now)
        if not verdict.is_admitted:
            now += verdict.retry_after_seconds

            assert verdict.retry_after_seconds >= 1
            assert bucket.take(count, now).is_admitted


@given(rates, bursts, pauses)
def test_retry_after_is_no_longer_than_it_must_be(rate: int, burst: int, pauses: list[int]) -> None:
    bucket = TokenBucket(rate, burst, 1_000.0)

    for now in _times(pauses):
        verdict = bucket.take(1, now)

        assert verdict.retry_after_seconds <= math.ceil(1 / rate) + 1
        assert (verdict.retry_after_seconds == 0) is verdict.is_admitted


@given(rates, bursts, st.lists(st.integers(0, 40), min_size=1, max_size=80))
def test_after_the_reset_there_is_more_than_was_told(
    rate: int, burst: int, pauses: list[int]
) -> None:
    bucket, times = TokenBucket(rate, burst, 1_000.0), _times(pauses)
    told = [bucket.take(1, now) for now in times][-1]

    later = bucket.take(0, times[-1] + told.reset_seconds)

    assert later.remaining > told.remaining
    # Retry-After must not name an earlier moment than the reset does.
    assert told.is_admitted or told.retry_after_seconds >= told.reset_seconds


def test_a_full_bucket_has_no_reset() -> None:
    assert TokenBucket(5, 10, 0.0).take(0, 0.0) == Verdict(True, 10, 0, 0)


def test_a_count_above_the_burst_needs_a_full_bucket_and_is_paid_for_afterwards() -> None:
    bucket = TokenBucket(10, 20, 0.0)

    first = bucket.take(50, 0.0)
    second = bucket.take(50, 1.0)
    third = bucket.take(1, 3.0)
    fourth = bucket.take(1, 3.5)

    assert first == Verdict(True, 0, 4, 0)
    assert second == Verdict(False, 0, 3, 5)
    assert not third.is_admitted
    assert fourth.is_admitted


def test_a_refused_count_takes_nothing() -> None:
    bucket = TokenBucket(1, 5, 0.0)

    assert bucket.take(3, 0.0).is_admitted
    assert not bucket.take(3, 0.0).is_admitted
    assert bucket.take(2, 0.0).is_admitted


def _limits(rate: int = 2, burst: int = 4, readers: int = 2) -> tuple[TenantLimits, list[float]]:
    clock = [0.0]
    return TenantLimits(rate, burst, readers, lambda: clock[0]), clock


def test_each_tenant_has_a_bucket_of_its_own() -> None:
    limits, _ = _limits(burst=1)

    verdicts = [limits.take("one"), limits.take("one"), limits.take("other")]

    assert [v.is_admitted for v in verdicts if v is not None] == [True, False, True]


def test_a_tenants_bucket_fills_with_time() -> None:
    limits, clock = _limits(rate=2, burst=1)
    limits.take("one")

    clock[0] = 0.5
    verdict = limits.take("one")

    assert verdict is not None
    assert verdict.is_admitted


def test_without_a_rate_nothing_is_counted() -> None:
    limits, _ = _limits(rate=0, burst=0)

    assert limits.take("one", 1_000_000) is None


def test_the_fields_are_those_of_the_draft() -> None:
    limits, _ = _limits(rate=2, burst=5)
    verdict = limits.take("one")

    assert limits.policy == '"requests";q=7;w=1'
    assert verdict is not None
    assert limits.state(verdict) == '"requests";r=4;t=1'


def test_readers_are_counted_for_each_tenant_until_they_leave() -> None:
    limits, _ = _limits(readers=2)

    opened = [limits.open_reader("one") for _ in range(3)] + [limits.open_reader("other")]
    limits.close_reader("one")

    assert opened == [True, True, False, True]
    assert limits.open_reader("one")
    assert not limits.open_reader("one")


def test_without_a_reader_limit_any_number_is_open() -> None:
    limits, _ = _limits(readers=0)

    assert all(limits.open_reader("one") for _ in range(100))


@pytest.mark.parametrize("count", [1, 3])
def test_a_reader_that_left_leaves_no_trace(count: int) -> None:
    limits, _ = _limits(readers=count)
    for _ in range(count):
        limits.open_reader("one")

    for _ in range(count):
        limits.close_reader("one")

    assert [limits.open_reader("one") for _ in range(count + 1)] == [True] * count + [False]


def test_buckets_are_bounded_and_the_full_ones_go_first() -> None:
    clock = [0.0]
    buckets = Buckets(1, 10, lambda: clock[0], most=4)
    buckets.take("busy", 10)
    for name in ("a", "b", "c"):
        buckets.take(name)
    clock[0] = 2.0  # All but one are full again.

    buckets.take("d")

    assert set(buckets.lacking()) == {"busy", "d"}
    assert not buckets.take("busy", 3).is_admitted


def test_where_none_is_full_the_oldest_go() -> None:
    buckets = Buckets(1, 10, lambda: 0.0, most=4)
    for name in "abcdefgh":
        buckets.take(name)

    assert len(buckets.lacking()) <= 4
    assert buckets.take("h", 0).remaining == 9


def test_a_bucket_begins_with_what_it_is_told() -> None:
    buckets = Buckets(1, 10, lambda: 0.0, {"used": 2.0, "more": 99.0}.__getitem__)

    assert buckets.take("used", 0).remaining == 2
    assert buckets.take("more", 0).remaining == 10


def test_what_is_given_back_is_there_again() -> None:
    buckets = Buckets(1, 10, lambda: 0.0)
    buckets.take("a", 4)

    buckets.give_back("a", 4)
    buckets.give_back("nobody", 4)

    assert buckets.take("a", 0).remaining == 10
