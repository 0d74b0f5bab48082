"""The schedule is the same for the same seed, and a short run sees as many kinds as it can."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from tests.history.schedule import KINDS, Planned, schedule

SIZES = {"api": 2, "processing": 2, "broker": 1}


def drawn(seed: int, count: int = 15, sizes: dict[str, int] | None = None) -> list[Planned]:
    return schedule(seed, 60.0, count, tuple(KINDS), sizes or SIZES)


@given(some.integers(0, 1 << 32), some.integers(0, 60))
def test_a_schedule_is_whole_in_order_and_within_the_run(seed: int, count: int) -> None:
    planned = drawn(seed, count)

    assert len(planned) == count
    assert planned == drawn(seed, count)
    assert [fault.at for fault in planned] == sorted(fault.at for fault in planned)
    assert all(0 <= fault.at <= 60 for fault in planned)


@given(some.integers(0, 1 << 32))
def test_every_kind_comes_before_any_comes_often(seed: int) -> None:
    kinds = [fault.kind for fault in drawn(seed)]

    assert len(set(kinds)) == len(kinds)


def test_another_seed_gives_another_schedule() -> None:
    assert drawn(1) != drawn(2)


def test_a_target_is_one_that_there_is() -> None:
    for seed in range(50):
        for fault in drawn(seed, 40, {"api": 3, "processing": 2, "broker": 3}):
            part = fault.kind.partition(".")[0]
            most = {"api": 3, "door": 3, "trim": 3, "link": 5, "processing": 2, "broker": 3}[part]
            assert fault.target < most


def test_one_broker_is_never_asked_to_be_the_last_of_several() -> None:
    assert all(fault.kind != "broker.solo" for seed in range(50) for fault in drawn(seed, 40))
