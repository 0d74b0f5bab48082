"""Where a reading stops: at its limit, at its until, at the end of the stream."""

import json

import pytest

from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.model import Position
from streaming_runtime.core.reading import Start
from tests.core.memory import SEAL, MemoryLog, a_stream
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


async def test_a_limit_is_kept_in_the_cursor_across_reconnects() -> None:
    log = a_log(20)
    whole = await read(log, Start(limit=5))

    rest = await read(log, again(whole[1]))

    assert sources_of(whole) == [0, 2, 4, 6, 8]
    assert sources_of(rest) == [4, 6, 8]
    assert [d.id for d in rest] == [d.id for d in whole[2:]]


async def test_the_cursor_wins_over_the_limit_of_the_url() -> None:
    log = a_log(20)
    whole = await read(log, Start(limit=5))

    # EventSource comes back with ?limit=5 and its last id.
    rest = await read(log, Start("cursor", cursor=whole[3].id, limit=5))

    assert sources_of(rest) == [8]


async def test_a_reader_at_its_limit_is_told_so_and_stays_there() -> None:
    log = a_log()
    readings = readings_of(log)
    cursor, _ = await readings.begin(STREAM, Start(limit=2))
    async with readings.open(STREAM, cursor) as reader:
        await reader.take(0.0)

        assert reader.ending == "reached"

    later, gap = await readings.begin(STREAM, again(reader.cursor_id))
    assert later.is_reached()
    assert gap is None
    assert await read(log, again(reader.cursor_id)) == []


async def test_ids_with_a_limit_are_a_readers_own_and_the_rest_is_shared() -> None:
    log = a_log()
    (own, *_), (shared, *_) = await read(log, Start(limit=3)), await read(log, Start())

    mine, ours = json.loads(own.result.json(own.own_id)), json.loads(shared.result.json())

    assert own.id == mine.pop("id") != ours.pop("id") == shared.id
    assert shared.own_id is None
    assert mine == ours


async def test_until_now_ends_at_what_was_there() -> None:
    log = a_log()
    readings = readings_of(log)
    cursor, _ = await readings.begin(STREAM, Start(until_now=True))
    log.write(6)

    async with readings.open(STREAM, cursor) as reader:
        found = [d for _ in range(4) for d in await reader.take(0.0)]
        assert reader.ending == "reached"

    assert sources_of(found) == [0, 2, 4]
    later, _ = await readings.begin(STREAM, again(reader.cursor_id))
    assert later.is_reached()


async def test_a_batch_across_the_end_is_cut_there() -> None:
    log = MemoryLog(batch=10)
    for source in range(4):
        log.write(source)
    # The queue of a live reader already holds what came later.
    log.ignores_until = True
    cursor = Cursor("incarn01", Position(0), until=2)

    async with readings_of(log).open(STREAM, cursor) as reader:
        found = await reader.take(0.0)

    assert sources_of(found) == [0, 1]
    assert (reader.offset, reader.ending) == (2, "reached")


async def test_until_is_kept_in_the_cursor_and_not_moved_by_a_reconnect() -> None:
    log = a_log()
    whole = await read(log, Start(until_now=True))
    log.write(6)

    rest = await read(log, Start("cursor", cursor=whole[0].id, until_now=True))

    assert sources_of(rest) == [2, 4]


async def test_until_now_on_an_empty_log_is_reached_at_once() -> None:
    cursor, _ = await begin(MemoryLog(), Start(until_now=True))

    assert cursor.is_reached()


@pytest.mark.parametrize("bounds", [{}, {"limit": 50}, {"until_now": True}])
async def test_nothing_comes_behind_the_end(bounds: dict[str, object]) -> None:
    log, stream = an_ended_log()
    log.write(8)  # stored behind the end, and refused
    log.write(9, kind="end")
    readings = readings_of(log)
    cursor, _ = await readings.begin(stream, Start(**bounds))  # type: ignore[arg-type]

    async with readings.open(stream, cursor) as reader:
        found = [d for _ in range(5) if reader.ending is None for d in await reader.take(0.0)]

    assert [d.result.entry.kind for d in found] == ["result"] * 3 + ["end"]
    assert reader.ending == "end"
    assert SEAL.decode(stream.stream_id, reader.cursor_id).is_reached()


@pytest.mark.parametrize("bounds", [{}, {"limit": 50}, {"until_now": True}])
async def test_a_reader_with_the_id_of_the_end_has_nothing_to_wait_for(
    bounds: dict[str, object],
) -> None:
    log, stream = an_ended_log()
    *_, end = await read(log, Start(**bounds), stream)  # type: ignore[arg-type]

    for registered in (stream, a_stream(ended_at=6_000), STREAM):
        cursor, gap = await begin(log, again(end), registered)

        assert cursor.is_reached()
        assert gap is None


@pytest.mark.parametrize(
    "start", [Start("now"), Start("since", since_ms=10**9), Start("now", limit=5)]
)
async def test_a_reader_that_begins_behind_the_end_has_nothing_to_wait_for(start: Start) -> None:
    log, stream = an_ended_log()

    cursor, _ = await begin(log, start, stream)

    assert cursor.is_reached()


async def test_a_reader_before_the_end_gets_it() -> None:
    log, stream = an_ended_log()

    (end,) = await read(log, Start("tail", tail=1), stream)

    assert end.result.entry.kind == "end"


@pytest.mark.parametrize("start", [Start("tail", tail=1), Start("since", since_ms=6_500)])
async def test_of_two_ends_that_raced_the_first_is_the_last_result(start: Start) -> None:
    log = a_log()
    log.write(6, kind="end", at=6_000)
    log.write(7, at=7_000)  # stored between the two, and refused
    log.write(8, kind="end", at=8_000)
    stream = a_stream(ended_at=6_000, end_source=6)

    found = await read(log, start, stream)

    assert [d.result.entry.height.offset for d in found] == ([6] if start.tail else [])
    assert (await begin(log, again(found[-1]) if found else start, stream))[0].is_reached()


@pytest.mark.parametrize("start", [Start("now"), Start()])
async def test_an_end_that_is_not_processed_yet_is_waited_for(start: Start) -> None:
    log, stream = a_log(), a_stream(ended_at=6_000, end_source=6)
    cursor, _ = await begin(log, start, stream)
    assert not cursor.is_reached()
    log.write(6, kind="end")

    async with readings_of(log).open(stream, cursor) as reader:
        while reader.ending is None:
            assert await reader.take(0.0)
    assert reader.ending == "end"


async def test_an_expired_stream_without_an_end_record_is_read_like_a_living_one() -> None:
    log, stream = a_log(), a_stream(ttl_seconds=1)

    cursor, gap = await begin(log, Start(), stream)

    assert not cursor.is_reached()
    assert gap is None
    assert sources_of(await read(log, Start(), stream)) == [0, 2, 4]
