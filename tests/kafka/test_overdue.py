from typing import Any

from streaming_runtime.core.model import INTERRUPTED_MS, Processor, Stream
from streaming_runtime.kafka.overdue import MOST_AT_ONCE, MOST_MOVES, Overdue


def stream(number: int = 0, **fields: Any) -> Stream:
    known: dict[str, Any] = {"ttl_seconds": 10, "created_at": 1_000} | fields
    return Stream(
        f"{number:022d}",
        "acme",
        Processor("identity"),
        "AAAAAAAA",
        partition=0,
        first_offset=0,
        **known,
    )


def test_a_stream_is_due_from_its_last_moment_on() -> None:
    overdue = Overdue()
    overdue.note(stream())

    assert overdue.due(10_999) == []
    assert overdue.due(11_000) == [stream()]


def test_a_stream_stays_due_until_its_end_is_known() -> None:
    overdue = Overdue()
    overdue.note(stream())

    first, second = overdue.due(11_000), overdue.due(11_500)
    half_ended = stream(ended_at=11_000)
    overdue.note(half_ended)
    third = overdue.due(12_000)
    overdue.note(stream(ended_at=11_000, end_source=7))

    assert first == second == [stream()]
    assert third == [half_ended]
    assert overdue.due(10**9) == []


def test_a_stream_that_its_owner_ended_is_never_due() -> None:
    overdue = Overdue()
    overdue.note(stream())
    overdue.note(stream(ended_at=2_000, end_source=7))

    assert overdue.due(10**9) == []


def test_an_end_that_was_interrupted_is_due_after_a_while_without_a_time_to_live() -> None:
    overdue = Overdue()
    half_ended = stream(ttl_seconds=None, ended_at=5_000)
    overdue.note(stream(ttl_seconds=None))
    overdue.note(half_ended)

    assert overdue.due(5_000 + INTERRUPTED_MS - 1) == []
    assert overdue.due(5_000 + INTERRUPTED_MS) == [half_ended]


def test_an_earlier_moment_takes_the_place_of_a_later_one() -> None:
    overdue = Overdue()
    overdue.note(stream(ttl_seconds=3_600))
    ended = stream(ttl_seconds=3_600, ended_at=5_000)
    overdue.note(ended)

    assert overdue.due(5_000 + INTERRUPTED_MS) == [ended]
    assert overdue.due(10**9) == [ended]


def test_a_stream_that_was_forgotten_is_never_due() -> None:
    overdue = Overdue()
    overdue.note(stream())
    overdue.forget(stream().stream_id)

    assert overdue.due(10**9) == []


def test_a_call_is_bounded_and_the_next_one_goes_on_behind_it() -> None:
    overdue = Overdue()
    total = MOST_MOVES + MOST_AT_ONCE
    for number in range(total):
        overdue.note(stream(number))

    seen: list[str] = []
    for _ in range(3):
        due = overdue.due(11_000)
        assert len(due) <= MOST_AT_ONCE
        seen += [each.stream_id for each in due]

    assert len(set(seen)) == total
