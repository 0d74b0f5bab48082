import itertools

from hypothesis import given
from hypothesis import strategies as st

from streaming_runtime.kafka.pace import Pace


def test_the_first_after_a_silence_leaves_at_once() -> None:
    pace = Pace(0.003)

    assert pace.wait(100.0) == 0.0
    assert pace.wait(100.1) == 0.0


def test_what_comes_close_behind_waits_for_a_common_departure() -> None:
    pace = Pace(4.0)
    pace.wait(100.0)

    assert [now + pace.wait(now) for now in (101.0, 102.0, 104.0)] == [104.0, 104.0, 104.0]
    assert 105.0 + pace.wait(105.0) == 108.0


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50))
def test_departures_are_apart_and_nobody_waits_longer(steps: list[float]) -> None:
    pace, now, departures = Pace(1.0), 0.0, []
    for step in steps:
        now += step
        wait = pace.wait(now)
        assert 0.0 <= wait <= 1.0
        departures.append(round(now + wait, 6))

    distinct = sorted(set(departures))
    assert departures == sorted(departures)
    assert all(b - a >= 0.999 for a, b in itertools.pairwise(distinct))
