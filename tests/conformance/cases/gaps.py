"""A position that is gone: announced once, and then everything that still exists.

The operator prepares a stream whose oldest results were removed (LOST=STREAM:CURSOR).
"""

from __future__ import annotations

from ..client.api import EVENT_STREAM, JSON, Api
from ..client.stream import Stream
from ..target import NotThere


def _lost(api: Api) -> tuple[Stream, str]:
    lost = api.target.lost
    if lost is None:
        raise NotThere("no stream whose oldest results were removed was prepared (LOST)")
    return Stream(api, lost.stream_id), lost.cursor


async def _what_exists(stream: Stream, cursor: str) -> list[object]:
    problem = (await stream.ask_page(cursor=cursor)).refused("position-gone")
    page = await stream.page(cursor=problem["earliest"])
    assert page["results"]
    return [result["data"] for result in page["results"]]


async def a_page_at_a_position_that_is_gone_is_410_with_earliest(api: Api) -> None:
    """JSON page: 410 with `earliest`"""
    stream, cursor = _lost(api)

    problem = (await stream.ask_page(cursor=cursor)).refused("position-gone")

    assert (await stream.ask_page(cursor=problem["earliest"])).status == 200


async def an_event_gap_comes_once_and_then_all_that_exists(api: Api) -> None:
    """exactly one `gap` event, then everything that still exists: never silence"""
    stream, cursor = _lost(api)
    exists = await _what_exists(stream, cursor)

    async with stream.events(at=cursor) as events:
        first = await events.with_data()
        results = await events.results(len(exists))

    assert first.name == "gap"
    assert first.json().keys() == {"requested", "earliest", "reason"}
    assert first.json()["requested"] == cursor
    assert first.json()["reason"] in ("retention", "incarnation")
    assert [result["data"] for result in results] == exists


async def a_gap_has_an_id_to_resume_at(api: Api) -> None:
    """Results, `gap` and `end` have an `id:`."""
    stream, cursor = _lost(api)
    exists = await _what_exists(stream, cursor)
    async with stream.events(at=cursor) as events:
        gap = await events.with_data()

    async with stream.events(at=gap.id) as events:
        results = await events.results(len(exists))

    assert b"id:" in gap.raw
    assert [result["data"] for result in results] == exists


async def a_line_gap_comes_once_and_then_all_that_exists(api: Api) -> None:
    stream, cursor = _lost(api)
    exists = await _what_exists(stream, cursor)

    async with stream.lines(cursor=cursor, until="now") as lines:
        told = await lines.rest()

    controls = [line["control"] for line in told if "control" in line]
    assert controls.count("gap") == 1
    assert [line["data"] for line in told if "control" not in line] == exists


async def a_frame_gap_comes_once_and_then_all_that_exists(api: Api) -> None:
    stream, cursor = _lost(api)
    exists = await _what_exists(stream, cursor)

    async with stream.socket(cursor=cursor, until="now") as socket:
        told = [frame async for frame in socket.frames()]

    assert [frame["type"] for frame in told].count("gap") == 1
    assert [frame["data"] for frame in told if frame["type"] == "result"] == exists


async def a_gap_is_an_event_for_whoever_asks_for_events(api: Api) -> None:
    """a gap is an event there, not a 410"""
    stream, cursor = _lost(api)

    async with stream.events(cursor=cursor) as events:
        assert events.status == 200
    (await api.get(stream.results_path, JSON, cursor=cursor)).refused("position-gone")


async def results_in_front_of_which_nothing_is_gone_come_without_a_gap(api: Api) -> None:
    stream, cursor = _lost(api)
    async with stream.events(at=cursor) as events:
        await events.with_data()
        first = (await events.results(1))[0]

    async with stream.events(at=first["id"], until="now") as events:
        told = await events.rest()

    assert "gap" not in [event.name for event in told]


async def a_new_stream_has_no_gap(api: Api) -> None:
    stream = await api.start()
    await stream.send(1)

    async with stream.events() as events:
        assert (await events.with_data()).name == "message"


async def a_gap_comes_once_also_for_a_reader_that_was_cut_behind_it(api: Api) -> None:
    stream, cursor = _lost(api)
    async with stream.events(at=cursor) as events:
        await events.with_data()
        result = await events.with_data()

    answer = await api.ask(
        "GET",
        stream.results_path,
        headers={"accept": EVENT_STREAM, "last-event-id": result.id},
        query={"until": "now"},
    )

    assert answer.status in (200, 204)
    assert b"event: gap" not in answer.body
