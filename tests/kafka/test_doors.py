"""When a partition is refused at the door; no clock runs here."""

from __future__ import annotations

import pytest

from streaming_runtime.kafka.doors import PATIENCE_SECONDS, PROBE_SECONDS, Doors

PLACE = ("input", 1)
OTHER = ("input", 2)


@pytest.fixture
def doors() -> Doors:
    return Doors()


@pytest.fixture
def shut(doors: Doors) -> Doors:
    doors.shut(PLACE)
    return doors


def test_a_refusal_is_waited_out_for_a_moment_and_then_shuts_its_partition(doors: Doors) -> None:
    first = doors.is_patient(PLACE, 100.0)
    soon = doors.is_patient(PLACE, 100.0 + 0.9 * PATIENCE_SECONDS)
    admitted = doors.admits(PLACE, 100.9)
    late = doors.is_patient(PLACE, 100.0 + PATIENCE_SECONDS)
    doors.admits(PLACE, 101.1)

    assert (first, soon, admitted, late) == (True, True, True, False)
    assert not doors.admits(PLACE, 101.1)
    assert doors.admits(OTHER, 101.1)


def test_a_shut_partition_is_tried_by_one_at_a_time(shut: Doors) -> None:
    moments = [100.0, 100.0, 100.0 + 0.9 * PROBE_SECONDS, 100.0 + PROBE_SECONDS, 100.3]

    assert [shut.admits(PLACE, now) for now in moments] == [True, False, False, True, False]


def test_who_tries_a_shut_partition_is_refused_without_patience(shut: Doors) -> None:
    shut.admits(PLACE, 100.0)

    assert not shut.is_patient(PLACE, 100.1)


def test_what_is_stored_opens_the_door_for_all(shut: Doors) -> None:
    shut.admits(PLACE, 100.0)

    shut.open(PLACE)

    assert [shut.admits(PLACE, 100.1) for _ in range(3)] == [True, True, True]
    assert shut.is_patient(PLACE, 200.0)


def test_one_deadline_that_passes_is_a_moment_and_two_are_an_outage(doors: Doors) -> None:
    doors.time_out(PLACE)
    after_one = [doors.admits(PLACE, 100.0), doors.admits(PLACE, 100.0)]
    doors.time_out(PLACE)
    after_two = [doors.admits(PLACE, 100.0), doors.admits(PLACE, 100.0)]

    assert after_one == [True, True]
    assert after_two == [True, False]


def test_a_deadline_passed_before_something_was_stored_does_not_count(doors: Doors) -> None:
    doors.time_out(PLACE)
    doors.open(PLACE)
    doors.time_out(PLACE)

    assert [doors.admits(PLACE, 100.0), doors.admits(PLACE, 100.0)] == [True, True]
