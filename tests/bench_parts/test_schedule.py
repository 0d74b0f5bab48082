import pytest

from tests.bench.schedule import Schedule


def test_requests_are_due_at_equal_distances_whatever_the_answers_do() -> None:
    schedule = Schedule(rate=1000, seconds=2.0, streams=10)

    assert schedule.requests == 2000
    assert [schedule.due_seconds(request) for request in (0, 1, 1999)] == [0.0, 0.001, 1.999]


@pytest.mark.parametrize(
    ("elapsed", "due"), [(-0.5, 0), (0.0, 1), (0.0015, 2), (1.0, 1001), (60.0, 2000)]
)
def test_all_that_has_fallen_due_is_due_and_no_more(elapsed: float, due: int) -> None:
    schedule = Schedule(rate=1000, seconds=2.0, streams=10)

    assert schedule.due_requests(elapsed) == due


def test_nothing_is_due_before_its_moment() -> None:
    schedule = Schedule(rate=3700, seconds=1.0, streams=7)

    for request in range(schedule.requests):
        due = schedule.due_requests(schedule.due_seconds(request))
        assert due in (request, request + 1)


def test_the_streams_take_turns() -> None:
    schedule = Schedule(rate=100, seconds=1.0, streams=40)

    counts = [0] * 40
    for request in range(schedule.requests):
        counts[schedule.stream_of(request)] += 1

    assert max(counts) - min(counts) <= 1


def test_a_batch_is_fewer_requests_of_as_many_records() -> None:
    schedule = Schedule(rate=1000, seconds=1.0, streams=3, batch=50)

    assert (schedule.requests, schedule.records) == (20, 1000)
    assert schedule.due_seconds(1) == 0.05


def test_the_shortest_run_sends_something() -> None:
    assert Schedule(rate=1, seconds=0.1, streams=1).requests == 1
