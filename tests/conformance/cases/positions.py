"""Where a reading begins, in every form."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from ..case import each
from ..client.api import EVENT_STREAM, JSON, NDJSON, Api
from ..client.stream import Stream

FORMS = {"events": EVENT_STREAM, "lines": NDJSON, "pages": JSON, "socket": "websocket"}


async def _first(stream: Stream, form: str, count: int = 1, **query: Any) -> list[object]:
    """Return the data of the first results that a reading in this form gives."""
    if form == EVENT_STREAM:
        async with stream.events(**query) as events:
            found = await events.results(count)
    elif form == NDJSON:
        async with stream.lines(**query) as lines:
            found = await lines.results(count)
    elif form == JSON:
        found = await stream.results(count, **query)
    else:
        async with stream.socket(**query) as socket:
            found = await socket.results(count)
    return [result["data"] for result in found]


async def _of_numbers(api: Api, count: int = 5) -> Stream:
    stream = await api.start()
    await stream.send_all(*range(count))
    await stream.results(count)
    return stream


@each(FORMS)
async def a_reading_begins_at_the_start_by_default(api: Api, form: str) -> None:
    assert await _first(await _of_numbers(api), form, 5) == [0, 1, 2, 3, 4]


@each(FORMS)
async def from_start_begins_at_the_start(api: Api, form: str) -> None:
    assert await _first(await _of_numbers(api), form, 5, from_="start") == [0, 1, 2, 3, 4]


@each(FORMS)
async def from_now_begins_behind_what_is_there(api: Api, form: str) -> None:
    stream = await _of_numbers(api)
    if form == JSON:
        at = (await stream.page(from_="now"))["cursor"]
        await stream.send("new")
        assert await _first(stream, form, cursor=at) == ["new"]
        return

    async def later() -> None:
        await asyncio.sleep(1)  # The reading has begun by then; nothing else tells it here.
        await stream.send("new")

    found, _ = await asyncio.gather(_first(stream, form, from_="now"), later())
    assert found == ["new"]


@each(FORMS)
async def tail_begins_so_many_results_before_the_end(api: Api, form: str) -> None:
    stream = await _of_numbers(api)

    assert await _first(stream, form, 2, tail=2) == [3, 4]


@each(FORMS)
async def a_tail_longer_than_the_stream_is_all_of_it(api: Api, form: str) -> None:
    stream = await _of_numbers(api)

    assert await _first(stream, form, 5, tail=1_000) == [0, 1, 2, 3, 4]


async def tail_counts_only_results_of_this_stream(api: Api) -> None:
    stream, *others = [await api.start() for _ in range(6)]
    for number in range(3):
        await stream.send(number)
        await asyncio.gather(*(other.send("of another stream") for other in others))
    await stream.results(3)

    assert await _first(stream, JSON, 3, tail=3) == [0, 1, 2]
    assert await _first(stream, EVENT_STREAM, 2, tail=2) == [1, 2]


async def tail_counts_the_end_as_a_result(api: Api) -> None:
    stream = await _of_numbers(api)
    await stream.end()
    await stream.results(6)

    page = await stream.page(tail=2)

    assert [result["kind"] for result in page["results"]] == ["result", "end"]


@each(FORMS)
async def since_begins_at_the_first_result_processed_then(api: Api, form: str) -> None:
    """`?since=` (RFC 3339 with offset, compared with `processed_at`)"""
    stream = await _of_numbers(api, 2)
    # A millisecond apart is apart.
    await asyncio.sleep(0.05)
    await stream.send_all(2, 3)
    results = await stream.results(4)
    assert results[1]["processed_at"] < results[2]["processed_at"]

    assert await _first(stream, form, 2, since=results[2]["processed_at"]) == [2, 3]


@each({"east": timezone(timedelta(hours=5, minutes=30)), "west": timezone(timedelta(hours=-8))})
async def since_may_have_any_offset(api: Api, zone: timezone) -> None:
    stream = await _of_numbers(api, 1)
    await asyncio.sleep(0.05)
    await stream.send("then")
    moment = datetime.fromisoformat((await stream.results(2))[1]["processed_at"])

    since = moment.astimezone(zone).isoformat(timespec="milliseconds")

    assert await _first(stream, JSON, since=since) == ["then"]


async def a_plus_in_since_need_not_be_escaped(api: Api) -> None:
    """In a query "+" is a space, which RFC 3339 has not in that place."""
    stream = await _of_numbers(api, 1)

    answer = await api.get(f"{stream.results_path}?since=2020-01-01T00:00:00+01:00", JSON)

    assert [result["data"] for result in answer.ok()["results"]] == [0]


async def since_in_the_future_begins_with_what_is_processed_then(api: Api) -> None:
    stream = await _of_numbers(api, 2)
    future = (datetime.now(UTC) + timedelta(hours=1)).isoformat()

    page = (await stream.ask_page(since=future)).ok()

    assert page["results"] == []


@each(
    {
        "a second of 60": "2016-12-31T23:59:60Z",
        "small letters": "2020-01-01t00:00:00z",
        "nine digits": "2020-01-01T00:00:00.123456789Z",
        "the year 1": "0001-01-01T00:00:00Z",
        "the year 9999": "9999-12-31T23:59:59Z",
    }
)
async def since_takes_what_rfc_3339_allows(api: Api, since: str) -> None:
    (await (await api.shared()).ask_page(since=since, limit=1)).ok()


@each(
    {
        "no offset": "2026-01-01T00:00:00",
        "a date": "2026-01-01",
        "a word": "yesterday",
        "a number": "1767225600",
        "no such day": "2026-02-30T00:00:00Z",
        "hour 25": "2026-01-01T25:00:00Z",
        "a week date": "2026-W01-1T00:00:00Z",
        "a short offset": "2026-01-01T00:00:00+01",
        "an offset of 99 hours": "2026-01-01T00:00:00+99:00",
        "other digits": "٢٠٢٦-01-01T00:00:00Z",
        "empty": "",
        "a megabyte less": "2" * 5_000,
    }
)
async def since_that_is_no_moment_is_refused(api: Api, since: str) -> None:
    (await (await api.shared()).ask_page(since=since)).refused("invalid-parameter")


@each(
    {
        "from and tail": "from=start&tail=1",
        "cursor and from": "cursor=x&from=now",
        "since and tail": "since=2026-01-01T00:00:00Z&tail=1",
        "from twice": "from=start&from=now",
        "all of them": "cursor=x&from=now&since=2026-01-01T00:00:00Z&tail=1",
    }
)
async def two_positions_at_once_are_refused(api: Api, query: str) -> None:
    """exactly one of `?cursor=`, `?from=`, `?since=`, `?tail=N`"""
    stream = await api.shared()

    (await api.get(f"{stream.results_path}?{query}", JSON)).refused("invalid-parameter")


@each(
    {
        "from elsewhere": "from=elsewhere",
        "from in capitals": "from=Start",
        "from nothing": "from=",
        "tail of 0": "tail=0",
        "tail below 0": "tail=-1",
        "tail of a half": "tail=1.5",
        "tail in other digits": "tail=%D9%A1",
        "tail of 5,000 digits": "tail=" + "9" * 5_000,
        "until later": "until=later",
        "until nothing": "until=",
    }
)
async def a_position_that_is_none_is_refused(api: Api, query: str) -> None:
    stream = await api.shared()

    (await api.get(f"{stream.results_path}?{query}", JSON)).refused("invalid-parameter")


@each(FORMS)
async def every_form_refuses_two_positions(api: Api, form: str) -> None:
    stream = await api.shared()
    if form == "websocket":
        async with stream.socket(from_="start", tail=1) as socket:
            told = await socket.frame()
            assert told["problem"]["code"] == "invalid-parameter"
            assert await socket.close_code() == 4400
        return

    answer = await api.get(f"{stream.results_path}?from=start&tail=1", form)

    answer.refused("invalid-parameter")
