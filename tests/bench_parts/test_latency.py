import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.latency import Latency, percentile


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100), (0.001, 1)]
)
def test_a_percentile_is_the_nearest_rank(share: float, expected: int) -> None:
    ordered = range(1, 101)

    assert percentile(ordered, share) == expected


def test_one_slow_record_in_a_thousand_is_above_the_999th_and_is_the_maximum() -> None:
    measured = Latency.of([0.001] * 999 + [7.0])

    assert measured == Latency(p50=1.0, p99=1.0, p999=1.0, max=7000.0)


def test_two_slow_records_in_a_thousand_are_seen_by_p999() -> None:
    measured = Latency.of([0.001] * 998 + [7.0, 7.0])

    assert measured.p999 == 7000.0


def test_nothing_measured_gives_no_figures() -> None:
    assert Latency.of([]) == Latency(None, None, None, None)


@given(
    st.lists(st.floats(0, 1e6), min_size=1),
    st.floats(0, 1, exclude_min=True, allow_subnormal=False).filter(lambda share: share > 1e-6),
)
def test_at_least_the_share_of_the_values_is_at_or_below_the_percentile(
    values: list[float], share: float
) -> None:
    ordered = sorted(values)

    found = percentile(ordered, share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
