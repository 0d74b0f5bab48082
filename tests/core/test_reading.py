"""Where a reading begins, on a log with repeats and others' results."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.errors import BrokerUnavailable, InvalidCursor
from streaming_runtime.core.model import Height, Position
from streaming_runtime.core.ports import Bounds
from streaming_runtime.core.reading import Reader, Start
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


async def test_from_the_start_comes_everything_of_the_stream() -> None:
    assert sources_of(await read(a_log(), Start())) == [0, 2, 4]


async def test_the_start_is_where_the_log_stood_when_the_stream_was_started() -> None:
    log = a_log()

    cursor, gap = await begin(log, Start(), a_stream(first_offset=3))

    assert (cursor, gap) == (Cursor("incarn01", Position(3)), None)


async def test_from_now_comes_only_what_is_new() -> None:
    log = a_log()

    cursor, gap = await begin(log, Start("now"))

    assert (cursor.position, gap) == (Position(6, Height(5)), None)
    assert await read(log, Start("now")) == []


async def test_from_now_a_repeat_is_nothing_new() -> None:
    log = a_log()
    cursor, _ = await begin(log, Start("now"))
    log.write(4)
    log.write(6)

    async with readings_of(log).open(STREAM, cursor) as reader:
        assert sources_of(await reader.take(0.0)) == [6]


@pytest.mark.parametrize(
    ("since_ms", "sources"),
    [(0, [0, 2, 4]), (1, [2, 4]), (2_000, [2, 4]), (2_001, [4]), (4_001, [])],
)
async def test_since_begins_at_the_first_result_processed_then(
    since_ms: int, sources: list[int]
) -> None:
    assert sources_of(await read(a_log(), Start("since", since_ms=since_ms))) == sources


async def test_since_the_future_waits_behind_all_there_is() -> None:
    log = a_log()
    cursor, _ = await begin(log, Start("since", since_ms=10**9))
    log.write(4)  # a repeat of our last one
    log.write(6)

    async with readings_of(log).open(STREAM, cursor) as reader:
        assert sources_of(await reader.take(0.0)) == [6]


@pytest.mark.parametrize(
    ("tail", "sources"), [(1, [4]), (2, [2, 4]), (3, [0, 2, 4]), (10_000, [0, 2, 4])]
)
async def test_tail_begins_before_the_last_ones(tail: int, sources: list[int]) -> None:
    assert sources_of(await read(a_log(), Start("tail", tail=tail))) == sources


@pytest.mark.parametrize("start", [Start("tail", tail=2), Start("since", since_ms=2_000)])
async def test_repeats_are_not_among_those_counted(start: Start) -> None:
    log = a_log()
    for source in (0, 2, 4):
        log.write(source, at=9_000)

    assert sources_of(await read(log, start)) == [2, 4]


@pytest.mark.parametrize("start", [Start("tail", tail=5), Start("since", since_ms=0)])
async def test_what_comes_while_history_is_looked_through_is_not_lost(start: Start) -> None:
    log = a_log()
    cursor, _ = await begin(log, start)
    log.write(6)

    async with readings_of(log).open(STREAM, cursor) as reader:
        found = [d for _ in range(3) for d in await reader.take(0.0)]
    assert sources_of(found) == [0, 2, 4, 6]


@pytest.mark.parametrize(
    ("start", "position"),
    [
        (Start("tail", tail=1), Position(3, Height(2))),
        (Start("since", since_ms=9_000), Position(6, Height(4))),
    ],
)
async def test_history_ends_where_the_log_ended_when_it_was_asked(
    start: Start, position: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = a_log()
    bounds = await log.bounds(STREAM.partition)
    log.write(6, at=9_000)
    log.ignores_until = True

    async def before_the_last(partition: int) -> Bounds:
        return bounds

    monkeypatch.setattr(log, "bounds", before_the_last)
    cursor, _ = await begin(log, start)

    assert cursor.position == position


@pytest.mark.parametrize("start", [Start("tail", tail=2), Start("since", since_ms=0)])
async def test_history_that_cannot_be_read_is_an_outage(start: Start) -> None:
    log = a_log()
    log.is_stuck = True

    with pytest.raises(BrokerUnavailable):
        await begin(log, start)

    assert log.open_feeds == 0


async def test_history_is_left_as_soon_as_the_place_is_found() -> None:
    log = a_log()

    await begin(log, Start("since", since_ms=0))

    assert log.open_feeds == 0


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 4), st.data())
async def test_a_reader_that_drops_anywhere_goes_on_without_hole_or_repeat(
    crashes: list[int], batch: int, data: st.DataObject
) -> None:
    # Each crash writes once more, from a source that was written before.
    log, written = MemoryLog(batch=batch), 0
    for back in crashes:
        for source in range(max(0, written - back), written + 1):
            log.write(source, OTHER_ID if source % 3 == 2 else STREAM.stream_id)
        written += 1
    expected = [source for source in range(written) if source % 3 != 2]
    whole = await read(log, Start())

    place = data.draw(st.integers(0, len(whole)))
    start = again(whole[place - 1]) if place else Start()
    rest = await read(log, start)

    assert sources_of(whole) == expected
    assert sources_of(rest) == expected[place:]
    assert [delivery.id for delivery in rest] == [delivery.id for delivery in whole[place:]]


async def test_the_cursor_of_a_reader_is_the_id_of_what_it_was_given_last() -> None:
    log = a_log()
    cursor, _ = await begin(log, Start())

    async with readings_of(log).open(STREAM, cursor) as reader:
        while deliveries := await reader.take(0.0):
            assert reader.cursor_id == deliveries[-1].id


async def test_a_cursor_of_another_stream_is_refused() -> None:
    stolen = SEAL.encode(OTHER_ID, Cursor("incarn01", Position(0)))

    with pytest.raises(InvalidCursor):
        await begin(a_log(), again(stolen))


async def test_the_position_moves_past_what_is_others() -> None:
    log = MemoryLog()
    cursor, _ = await begin(log, Start())
    log.write(0, OTHER_ID)
    log.write(1, OTHER_ID)

    async with readings_of(log).open(STREAM, cursor) as reader:
        assert await reader.take(0.0) == []
        assert reader.offset == 2

        moved = SEAL.decode(STREAM.stream_id, reader.cursor_id)
    assert moved == Cursor("incarn01", Position(2, Height(1)))


async def test_an_interrupted_reader_passes_it_on() -> None:
    log = a_log()
    cursor, _ = await begin(log, Start())

    async with log.follow(STREAM, cursor.position) as feed:
        Reader(STREAM, feed, SEAL, cursor).interrupt()

        assert feed.is_interrupted


async def test_a_reader_that_lagged_ends_as_slow_and_can_go_on_elsewhere() -> None:
    log = a_log()
    readings = readings_of(log)
    cursor, _ = await readings.begin(STREAM, Start())
    async with readings.open(STREAM, cursor) as reader:
        first = await reader.take(0.0)
        log.lags = True

        assert await reader.take(0.0) == []
        assert reader.ending == "slow"
    log.lags = False

    assert sources_of(first + await read(log, again(reader.cursor_id))) == [0, 2, 4]


async def test_a_look_for_an_offset_comes_back_there() -> None:
    log = MemoryLog()
    for source in range(4):
        log.write(source, OTHER_ID)
    cursor, _ = await begin(log, Start())

    async with readings_of(log).open(STREAM, cursor) as reader:
        assert await reader.take(0.0, until=2) == []
        assert (reader.offset, reader.ending) == (2, None)


@pytest.mark.parametrize("most", [1, 2, 3])
async def test_pages_follow_each_other_without_hole_or_repeat(most: int) -> None:
    log = MemoryLog(batch=10)
    for source in range(7):
        log.write(source)
    readings, start, pages = readings_of(log), Start(), list[list[int]]()

    while not pages or pages[-1]:
        cursor, _ = await readings.begin(STREAM, start)
        async with readings.open(STREAM, cursor) as reader:
            pages.append(sources_of(await reader.take(0.0, most=most)))
            start = again(reader.cursor_id)

    assert max(map(len, pages)) == most
    assert [source for page in pages for source in page] == list(range(7))


async def test_the_ids_of_a_page_are_those_of_any_other_transport() -> None:
    log = a_log()
    readings = readings_of(log)
    cursor, _ = await readings.begin(STREAM, Start())

    async with readings.open(STREAM, cursor) as reader:
        page = await reader.take(0.0, most=1)

    assert page[0].own_id is None
    assert page[0].id == (await read(log, Start()))[0].id == reader.cursor_id


async def test_a_page_says_when_it_has_come_to_the_end() -> None:
    log, stream = an_ended_log()
    log.batch = 10
    readings = readings_of(log)
    cursor, _ = await readings.begin(stream, Start())

    async with readings.open(stream, cursor) as reader:
        three = await reader.take(0.0, most=3)
        assert (len(three), reader.ending) == (3, None)

        cursor, _ = await readings.begin(stream, again(reader.cursor_id))
    async with readings.open(stream, cursor) as reader:
        (end,) = await reader.take(0.0, most=3)

    assert (end.result.entry.kind, reader.ending) == ("end", "end")
    assert reader.cursor_id == end.id
