"""A storm of readers, by a clock that is told the time."""

from __future__ import annotations

import math

import pytest

from streaming_runtime.core.errors import Overloaded
from streaming_runtime.live.arrivals import MAX_WAIT_SECONDS, Arrivals


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def refused(arrivals: Arrivals) -> int | None:
    """Return the Retry-After of one more reader, None if it is let in."""
    try:
        arrivals.admit()
    except Overloaded as refusal:
        return int(refusal.headers["Retry-After"])
    return None


def test_a_burst_is_let_in_and_one_more_is_not() -> None:
    arrivals = Arrivals(Clock(), per_second=10, burst=20)

    assert [refused(arrivals) for _ in range(20)] == [None] * 20
    assert refused(arrivals) == 1


def test_who_is_refused_together_is_sent_away_for_different_times() -> None:
    arrivals = Arrivals(Clock(), per_second=10, burst=1)
    arrivals.admit()

    times = [refused(arrivals) for _ in range(30)]

    assert times == [math.ceil((number + 1) / 10) for number in range(30)]


def test_a_storm_that_comes_back_as_told_is_let_in_at_the_rate_and_each_waits_once_or_twice() -> (
    None
):
    clock = Clock()
    arrivals = Arrivals(clock, per_second=100, burst=50)
    due = dict.fromkeys(range(1000), 0.0)
    tries = dict.fromkeys(due, 0)
    admitted: dict[int, float] = {}
    while due:
        reader = min(due, key=lambda one: due[one])
        clock.now = max(clock.now, 100.0 + due.pop(reader))
        tries[reader] += 1
        seconds = refused(arrivals)
        if seconds is None:
            admitted[reader] = clock.now - 100.0
        else:
            # As EventSource comes back: after the seconds, spread over two more.
            due[reader] = clock.now - 100.0 + seconds + 0.5 + 2.0 * (reader % 97) / 97

    assert max(tries.values()) <= 3
    assert sum(tries.values()) <= 2.2 * len(tries)
    assert max(admitted.values()) < 1_000 / 100 * 1.5
    for second in range(15):
        inside = sum(second <= at < second + 1 for at in admitted.values())
        assert inside <= 50 + 100


def test_nobody_is_sent_away_for_longer_than_half_a_minute() -> None:
    arrivals = Arrivals(Clock(), per_second=1, burst=1)
    arrivals.admit()

    assert max(refused(arrivals) or 0 for _ in range(200)) == MAX_WAIT_SECONDS


def test_a_refusal_is_one_that_passes() -> None:
    arrivals = Arrivals(Clock(), per_second=1, burst=1)
    arrivals.admit()

    with pytest.raises(Overloaded) as refusal:
        arrivals.admit()

    assert refusal.value.retriable
