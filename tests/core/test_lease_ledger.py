"""One budget for many processes: what the log grants, whoever reads it and from wherever."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from streaming_runtime.core.lease_ledger import (
    NOTHING,
    SILENT_MS,
    Ask,
    Entry,
    Grant,
    LeaseLedger,
    Left,
)
from streaming_runtime.core.lease_terms import LeaseTerms
from streaming_runtime.core.takes import Take, bucket_of

START = 1_700_000_000_000
PROCESSES = ("a", "b", "c")

asks = st.tuples(
    st.integers(0, 400),
    st.sampled_from(PROCESSES),
    st.sampled_from(["acme", "other"]),
    st.integers(0, 9),
    st.integers(0, 9),
    # When what was granted ahead is used: from at once to the last moment.
    st.floats(0, 1),
)


def within_bounds(used: list[tuple[int, int]], rate: int, burst: int) -> bool:
    """Say whether no window of the uses (moment in ms, tokens) sees more than the limit says."""
    used = sorted(used)
    for i, (first, _) in enumerate(used):
        total = 0
        for last, tokens in used[i:]:
            total += tokens
            if total > burst + (last - first) * rate / 1_000:
                return False
    return True


@settings(max_examples=300)
@given(st.integers(1, 60), st.integers(2, 80), st.lists(asks, max_size=50), st.integers(0, 49))
def test_no_window_sees_more_than_the_burst_and_its_share(
    rate: int, burst: int, steps: list[tuple[int, str, str, int, int, float]], late: int
) -> None:
    terms = LeaseTerms.of(rate, burst)
    ledgers = {process: LeaseLedger(terms) for process in PROCESSES}
    used: list[tuple[int, int]] = []
    now = START

    for number, (pause, process, bucket, direct, ahead, part) in enumerate(steps):
        now += pause
        if process == "c" and number < late:
            continue
        if number == late:
            ledgers["c"].begin(now)  # It knows nothing of what came before.
        entry = Entry(process, number, "shared", Ask(bucket, direct, ahead))
        grants = {p: ledgers[p].apply(entry, now) for p in PROCESSES if p != "c" or number >= late}
        mine = grants[process]
        assert mine.direct <= grants["a"].direct
        assert mine.ahead <= grants["a"].ahead
        assert grants["a"] == grants["b"]
        if bucket == "acme":
            used.append((now, mine.direct))
            used.append((now + math.floor(part * terms.hold_ms), mine.ahead))

    assert within_bounds(used, rate, burst)


@settings(max_examples=300)
@given(st.integers(1, 60), st.integers(2, 80), st.lists(asks, min_size=1, max_size=50))
def test_what_is_refused_is_there_when_it_is_said_to_be(
    rate: int, burst: int, steps: list[tuple[int, str, str, int, int, float]]
) -> None:
    ledger, now = LeaseLedger(LeaseTerms.of(rate, burst)), START

    for number, (pause, process, bucket, direct, ahead, _) in enumerate(steps):
        now += pause
        told = ledger.level(bucket, now)
        grant = ledger.apply(Entry(process, number, "shared", Ask(bucket, direct, ahead)), now)

        assert grant.direct == min(direct, told)
        wait = ledger.ms_until(bucket, 1, now)
        assert (wait == 0) is (ledger.level(bucket, now) >= 1)
        assert wait == 0 or ledger.level(bucket, now + wait) >= 1
        assert wait == 0 or ledger.level(bucket, now + wait - 1) < 1


def test_an_idle_bucket_gives_its_burst_but_one_at_once_and_fills_again() -> None:
    ledger = LeaseLedger(LeaseTerms.of(10, 20))

    grants = [
        ledger.apply(Entry("a", n, "shared", Ask("acme", 30)), START + at)
        for n, at in enumerate((0, 0, 500, 10_000))
    ]

    assert [grant.direct for grant in grants] == [19, 0, 5, 19]


def test_those_who_wait_come_before_what_is_taken_ahead() -> None:
    ledger = LeaseLedger(LeaseTerms.of(100, 200))

    both = ledger.apply(Entry("a", 1, "shared", Ask("acme", 20, 40)), START)
    rest = ledger.apply(Entry("b", 1, "shared", Ask("acme", 500, 40)), START)

    assert both == Grant(20, 40)
    # What may be used until half a second later is paid for as if it were used then.
    assert rest == Grant(199 - 50 - 40, 0)


def test_a_limit_too_small_for_leases_gives_only_to_those_who_wait() -> None:
    ledger = LeaseLedger(LeaseTerms.of(100, 10))

    assert ledger.terms.hold_ms == 0
    assert ledger.apply(Entry("a", 1, "shared", Ask("acme", 1, 5)), START) == Grant(1, 0)


def test_while_one_counts_alone_nobody_else_is_granted_anything() -> None:
    ledger = LeaseLedger(LeaseTerms.of(10, 20))
    ask = Ask("acme", 1)

    ledger.apply(Entry("a", 1, "alone"), START)
    assert ledger.is_alone("a")
    refused = ledger.apply(Entry("b", 1, "alone", ask), START + 10)
    assert not ledger.is_alone("a") and not ledger.is_alone("b")
    assert ledger.is_held_from("b") and not ledger.is_held_from("a")
    # It has not read of the other yet, and goes on.
    ledger.apply(Entry("a", 2, "alone"), START + 20)
    again = ledger.apply(Entry("b", 2, "shared", ask), START + 30)
    ledger.apply(Entry("a", 3, "shared", has_counted=True, left=Left({"acme": 3})), START + 40)
    granted = [ledger.apply(Entry(p, 4, "shared", Ask("acme", 5)), START + 40) for p in "ab"]
    other = ledger.apply(Entry("b", 5, "shared", Ask("other", 50)), START + 40)

    assert [refused, again] == [NOTHING, NOTHING]
    assert [grant.direct for grant in granted] == [2, 0]
    assert other.direct == 19


def test_who_stops_without_a_word_of_what_is_left_leaves_empty_buckets() -> None:
    ledger = LeaseLedger(LeaseTerms.of(10, 20))

    ledger.apply(Entry("a", 1, "alone"), START)
    ledger.apply(Entry("b", 1, "alone"), START)
    ledger.apply(Entry("a", 2, "shared", has_counted=True), START)

    assert ledger.apply(Entry("b", 2, "shared", Ask("acme", 9)), START).direct == 0
    assert ledger.apply(Entry("b", 3, "shared", Ask("acme", 9)), START + 500).direct == 4


def test_who_never_began_to_count_alone_leaves_the_buckets_as_they_were() -> None:
    ledger = LeaseLedger(LeaseTerms.of(10, 20))
    further = Take(bucket_of("records", 10, 20, "acme"), 15)
    ledger.apply(Entry("a", 1, "shared", Ask("acme", 9), takes=((further,),)), START)

    ledger.apply(Entry("a", 2, "alone"), START)
    ask = Entry("a", 3, "shared", Ask("acme", 20), takes=((further,), (Take(further.bucket, 4),)))
    grant = ledger.apply(ask, START)

    assert (grant.direct, grant.taken) == (10, (False, True))
    assert not ledger.is_held_from("b")


def test_who_was_alone_and_fell_silent_is_waited_for_before_its_buckets_begin_to_fill() -> None:
    ledger = LeaseLedger(LeaseTerms.of(10, 20))
    ledger.apply(Entry("a", 1, "alone"), START)

    early = ledger.apply(Entry("b", 1, "shared", Ask("acme", 9)), START + SILENT_MS)
    late = ledger.apply(Entry("b", 2, "shared", Ask("acme", 9)), START + SILENT_MS + 300)

    assert early == NOTHING
    assert late.direct == 2
    assert not ledger.is_held_from("b")
    ledger.apply(Entry("b", 3, "alone"), START + SILENT_MS + 300)
    assert ledger.is_alone("b")


def test_of_two_that_begin_at_once_only_the_first_is_alone() -> None:
    ledger = LeaseLedger(LeaseTerms.of(10, 20))

    for process in "ab":
        ledger.apply(Entry(process, 1, "alone"), START)

    assert ledger.others("a") == 1
    assert not ledger.is_alone("b")
    assert ledger.is_held_from("b")


def test_who_says_goodbye_is_not_waited_for() -> None:
    ledger = LeaseLedger(LeaseTerms.of(10, 20))
    ledger.apply(Entry("a", 1, "alone"), START)
    ledger.apply(Entry("a", 2, "gone", has_counted=True, left=Left({"acme": 0})), START)

    ledger.apply(Entry("b", 1, "alone"), START)

    assert ledger.is_alone("b")
    assert ledger.level("acme", START + 200) == 1
    assert ledger.level("other", START) == 19


def test_behind_a_hole_in_the_log_somebody_may_be_counting_alone() -> None:
    ledger = LeaseLedger(LeaseTerms.of(10, 20))
    ledger.miss(START)

    early = ledger.apply(Entry("a", 1, "shared", Ask("acme", 9)), START + 10)
    late = ledger.apply(Entry("a", 2, "shared", Ask("acme", 9)), START + SILENT_MS + 500)

    assert (early, late.direct) == (NOTHING, 4)


def test_full_buckets_are_forgotten_and_others_are_not() -> None:
    ledger = LeaseLedger(LeaseTerms.of(1_000, 20))
    for number in range(10_001):
        ledger.apply(Entry("a", number, "shared", Ask(f"t{number}", 1)), START)
    ledger.apply(Entry("a", 0, "shared", Ask("busy", 19)), START + 1_000)

    assert ledger.lacking(START + 1_000) == Left({"busy": 0})
    ledger.apply(Entry("a", 0, "shared", Ask("last", 19)), START + 1_000)
    assert ledger.level("busy", START + 1_000) == 0
