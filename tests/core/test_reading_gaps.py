"""What a reading does when its place is gone."""

from collections.abc import Callable

import pytest

from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.model import NOTHING_SEEN, Height, Position
from streaming_runtime.core.ports import Bounds
from streaming_runtime.core.reading import BEYOND_POLLS, Gap, Readings, Start
from tests.core.memory import OTHER_ID, SEAL, MemoryLog, a_stream
from tests.core.reads import (
    STREAM,
    a_log,
    again,
    an_ended_log,
    begin,
    read,
    readings_of,
    sources_of,
)


async def test_what_retention_took_is_told_once_and_then_comes_what_exists() -> None:
    log = a_log(12)
    first, *_ = await read(log, Start())
    log.forget_before(5)

    cursor, gap = await begin(log, again(first))
    later, second_gap = await begin(log, Start("cursor", cursor=gap.earliest if gap else ""))

    assert gap is not None
    assert (gap.requested, gap.reason) == (first.id, "retention")
    assert cursor == later == Cursor("incarn01", Position(5, Height(0)))
    assert second_gap is None
    assert sources_of(await read(log, again(gap))) == [6, 8, 10]


async def test_a_start_that_is_gone_is_a_gap_without_a_request() -> None:
    log = a_log()
    log.forget_before(4)

    cursor, gap = await begin(log, Start())

    assert gap is not None
    assert (gap.requested, gap.reason) == (None, "retention")
    assert cursor == SEAL.decode(STREAM.stream_id, gap.earliest) == Cursor("incarn01", Position(4))


@pytest.mark.parametrize("start", [Start("tail", tail=2), Start("since", since_ms=0), Start("now")])
async def test_who_asks_for_a_time_or_a_count_gets_what_exists(start: Start) -> None:
    log = a_log(8)
    log.forget_before(3)

    _, gap = await begin(log, start)

    assert gap is None
    assert sources_of(await read(log, start)) == ([] if start.place == "now" else [4, 6])


async def test_retention_keeps_the_height_so_that_repeats_stay_repeats() -> None:
    log = a_log()
    *_, last = await read(log, Start())
    log.write(4)
    log.write(6)
    log.forget_before(6)

    _, gap = await begin(log, again(last))

    assert gap is not None
    assert sources_of(await read(log, again(gap))) == [6]


async def test_topics_made_anew_are_told_and_read_from_their_start() -> None:
    *_, last = await read(a_log(), Start())
    anew = MemoryLog("incarn02")
    anew.write(0)

    cursor, gap = await begin(anew, again(last))

    assert gap is not None
    assert (gap.requested, gap.reason) == (last.id, "incarnation")
    assert cursor == Cursor("incarn02", Position(0, NOTHING_SEEN))
    assert sources_of(await read(anew, again(gap))) == [0]


async def test_a_stream_of_topics_that_are_no_more_has_lost_its_start() -> None:
    _, gap = await begin(MemoryLog("incarn02"), Start())

    assert gap is not None
    assert (gap.requested, gap.reason) == (None, "incarnation")


async def begin_while(
    log: MemoryLog, start: Start, meanwhile: Callable[[], None]
) -> tuple[Cursor, Gap | None, int]:
    """Begin while something happens between two looks at the log; return how often it waited."""
    waits = 0

    async def sleep(seconds: float) -> None:
        nonlocal waits
        waits += 1
        meanwhile()

    readings = Readings(log, SEAL, sleep)
    return (*await readings.begin(STREAM, start), waits)


async def test_a_log_that_ends_before_a_position_was_truncated_and_is_read_from_its_start() -> None:
    beyond = SEAL.encode(STREAM.stream_id, Cursor("incarn01", Position(99, Height(99))))

    cursor, gap, waits = await begin_while(a_log(), again(beyond), lambda: None)
    assert gap is not None
    later, gap_again, waits_again = await begin_while(a_log(), again(gap), lambda: None)

    assert (gap.requested, gap.reason, waits) == (beyond, "truncated", BEYOND_POLLS)
    # What is written now may have the sources of what is gone: the height must not silence it.
    assert cursor == later == Cursor("incarn01", Position(0, NOTHING_SEEN))
    assert (gap_again, waits_again) == (None, 0)


async def test_a_position_that_a_lagging_broker_does_not_know_yet_is_waited_for() -> None:
    log = a_log(6)
    unknown = [log.entries.pop(), log.entries.pop()]
    seen = Cursor("incarn01", Position(6, Height(5)))

    cursor, gap, waits = await begin_while(
        log,
        again(SEAL.encode(STREAM.stream_id, seen)),
        lambda: log.entries.append(unknown.pop()),
    )

    assert (cursor, gap, waits) == (seen, None, 2)


@pytest.mark.parametrize("incarnation", ["incarn02", "incarn01"])
async def test_nobody_waits_for_what_cannot_come(incarnation: str) -> None:
    is_over = incarnation == "incarn01"
    beyond = Cursor(incarnation, Position(99), limit=0 if is_over else None)

    _, gap, waits = await begin_while(
        a_log(), again(SEAL.encode(STREAM.stream_id, beyond)), lambda: None
    )

    assert waits == 0
    assert (gap is None) is is_over


async def test_a_limit_survives_a_gap() -> None:
    log = a_log(12)
    first, *_ = await read(log, Start(limit=3))
    log.forget_before(5)

    _, gap = await begin(log, again(first))

    assert gap is not None
    assert sources_of(await read(log, again(gap))) == [6, 8]


async def test_what_had_an_end_in_a_log_that_is_no_more_has_one_in_the_new() -> None:
    first, *_ = await read(a_log(), Start(until_now=True))
    anew = MemoryLog("incarn02")
    anew.write(0)

    cursor, gap = await begin(anew, again(first))

    assert gap is not None
    assert cursor == SEAL.decode(STREAM.stream_id, gap.earliest)
    assert cursor.until == 1


@pytest.mark.parametrize("bounds", [{"limit": 2}, {"until_now": True}])
async def test_who_has_reached_its_bound_misses_nothing(bounds: dict[str, object]) -> None:
    log = a_log()
    *_, last = await read(log, Start(**bounds))  # type: ignore[arg-type]
    readings = readings_of(log)
    cursor, _ = await readings.begin(STREAM, again(last))
    async with readings.open(STREAM, cursor) as reader:
        await reader.take(0.0)
    log.write(6)
    log.forget_before(7)

    for present in (log, MemoryLog("incarn02")):
        cursor, gap = await begin(present, again(reader.cursor_id))

        assert cursor.is_reached()
        assert gap is None


async def test_behind_the_end_nothing_is_missed_either() -> None:
    log, stream = an_ended_log()
    behind = SEAL.encode(stream.stream_id, Cursor("incarn01", Position(7, Height(6))))
    log.forget_before(8)

    cursor, gap = await begin(log, again(behind), stream)

    assert cursor.is_reached()
    assert gap is None


async def test_an_ended_stream_whose_end_is_gone_ends_behind_the_gap() -> None:
    log, stream = an_ended_log()
    log.forget_before(7)
    readings = readings_of(log)

    cursor, gap = await readings.begin(stream, Start())
    assert gap is not None
    for start in (Start(), again(gap)):
        cursor, _ = await readings.begin(stream, start)
        async with readings.open(stream, cursor) as reader:
            assert await reader.take(0.0) == []

            assert reader.ending == "reached"
        later, gap_again = await readings.begin(stream, again(reader.cursor_id))
        assert later.is_reached()
        assert gap_again is None


async def test_an_ended_stream_whose_start_is_gone_still_gets_its_end() -> None:
    log, stream = an_ended_log()
    log.forget_before(5)

    found = await read(log, Start(), stream)

    assert [d.result.entry.kind for d in found] == ["end"]
    assert (await begin(log, again(found[-1]), stream))[0].is_reached()


async def test_an_end_still_to_come_is_waited_for_behind_a_gap_too() -> None:
    log, stream = a_log(), a_stream(ended_at=6_000, end_source=6)
    log.forget_before(6)

    cursor, gap = await begin(log, Start(), stream)

    assert gap is not None
    assert cursor.until is None


@pytest.mark.parametrize("start", [Start(), Start("now"), Start("tail", tail=3)])
async def test_an_ended_stream_of_a_partition_that_holds_nothing_any_more_ends(
    start: Start,
) -> None:
    log, stream = an_ended_log()
    log.forget_before(8)
    log.input = Bounds(7, 8)

    cursor, _ = await begin(log, start, stream)

    assert cursor.is_reached()


async def test_an_end_whose_record_still_waits_for_processing_is_waited_for() -> None:
    log, stream = a_log(), a_stream(ended_at=6_000, end_source=6)
    log.forget_before(6)
    log.input = Bounds(6, 7)

    cursor, _ = await begin(log, Start("now"), stream)
    log.write(6, kind="end")
    async with readings_of(log).open(stream, cursor) as reader:
        (end,) = await reader.take(0.0)

    assert end.result.entry.kind == "end"


@pytest.mark.parametrize("end_source", [6, 700])
async def test_a_stream_that_ended_before_the_topics_were_made_anew_ends(end_source: int) -> None:
    stream = a_stream(ended_at=6_000, end_source=end_source)
    anew = MemoryLog("incarn02")
    for source in range(9):
        anew.write(source, OTHER_ID)
    anew.input = Bounds(0, 9)

    cursor, gap = await begin(anew, Start(), stream)
    now, _ = await begin(anew, Start("now"), stream)
    async with readings_of(anew).open(stream, cursor) as reader:
        found = [d for _ in range(9) for d in await reader.take(0.0)]

    assert gap is not None
    assert (found, reader.ending) == ([], "reached")
    assert now.is_reached()


async def test_a_stream_that_ended_in_the_new_topics_gets_its_end() -> None:
    stream = a_stream(ended_at=6_000, end_source=3)
    anew = MemoryLog("incarn02")
    anew.input = Bounds(0, 4)

    cursor, gap = await begin(anew, Start(), stream)
    anew.write(3, kind="end")
    async with readings_of(anew).open(stream, cursor) as reader:
        (end,) = await reader.take(0.0)

    assert gap is not None
    assert end.result.entry.kind == "end"
