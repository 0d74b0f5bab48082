"""A reader comes back with the last id it saw, over any form, and has neither hole nor repeat."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

import pytest

from tests.client import Client, Json, frame
from tests.stories.readers import Reader

FORMS = ("sse", "lines", "socket", "page")
ENDLESS = FORMS[:3]
RESULTS = 2_400
BATCH = 100
MOST_BYTES = 40_000
MOST_FRAMES = 120


async def send_batch(client: Client, stream: str, data: Iterable[object]) -> None:
    records = [{"data": value} for value in data]
    answer = await client.http.post(f"/stream/{stream}/send", json=records)
    assert (answer.status_code, answer.json()["failed"]) == (207, 0)


async def all_results(client: Client, stream: str, count: int) -> list[Json]:
    """Return what the log holds, as one reader sees it who is never cut."""
    reader = Reader(client, stream)
    async with asyncio.timeout(30):
        while len(reader.results) < count:
            await reader.page(most=1_000)
    return reader.results


async def started(client: Client, count: int) -> tuple[str, list[Json]]:
    """Return a stream with so many results, and these."""
    stream = await client.start()
    await send_batch(client, stream, range(count))
    return stream, await all_results(client, stream, count)


async def cut_once(reader: Reader, form: str) -> None:
    """Read over one form and be cut at a random byte of it, wherever that is."""
    left = RESULTS - len(reader.results)
    if form == "sse":
        await reader.sse(most=left, most_bytes=random.randint(1, MOST_BYTES))
    elif form == "lines":
        await reader.lines(most=left, most_bytes=random.randint(1, MOST_BYTES))
    else:
        await reader.over(form, most=min(left, random.randint(1, MOST_FRAMES)))


async def test_a_reader_cut_at_any_byte_misses_and_repeats_nothing(client: Client) -> None:
    stream = await client.start()
    batches = [range(first, first + BATCH) for first in range(0, RESULTS, BATCH)]

    async def send_all() -> None:
        for batch in batches:
            await send_batch(client, stream, batch)

    reader, cuts = Reader(client, stream), 0
    async with asyncio.timeout(50), asyncio.TaskGroup() as tasks:
        tasks.create_task(send_all())
        while len(reader.results) < RESULTS:
            await cut_once(reader, random.choice(FORMS))
            cuts += 1

    assert [result["data"] for result in reader.results] == list(range(RESULTS))
    assert reader.results == await all_results(client, stream, RESULTS)
    assert {told["kind"] for told in reader.told} == {"position"}
    assert cuts > 24


async def position_of(client: Client, stream: str, form: str) -> str:
    """Begin at now, take the position that comes with the first bytes, and drop."""
    if form == "sse":
        async with client.events(stream, **{"from": "now"}) as events:
            return (await anext(events)).id
    if form == "lines":
        async with client.lines(stream, **{"from": "now"}) as lines:
            return str((await anext(lines))["cursor"])
    if form == "page":
        return str((await client.page(stream, **{"from": "now"}))["cursor"])
    async with client.socket(stream, "?from=now") as socket:
        return str((await frame(socket))["cursor"])


@pytest.mark.parametrize("form", FORMS)
async def test_a_reader_dropped_before_its_first_result_resumes(client: Client, form: str) -> None:
    stream, _ = await started(client, 2)
    reader = Reader(client, stream, await position_of(client, stream, form))

    await send_batch(client, stream, ["missed", "by nobody"])
    async with asyncio.timeout(20):
        while len(reader.results) < 2:
            await reader.over(form, most=2 - len(reader.results))

    # What was there before "now" is not shown either.
    assert [result["data"] for result in reader.results] == ["missed", "by nobody"]


@pytest.mark.parametrize("first", ENDLESS)
async def test_a_limit_is_kept_in_the_cursor_across_every_form(client: Client, first: str) -> None:
    stream, expected = await started(client, 12)
    reader = Reader(client, stream)

    async with asyncio.timeout(30):
        await reader.over(first, most=2, query={"limit": "9"})
        # EventSource comes back with its first URL: the limit in it must not begin anew.
        for form in ENDLESS:
            await reader.over(form, most=2, query={"limit": "9"})
        is_over = await reader.over(first)

    assert is_over
    assert without_ids(reader.results) == without_ids(expected[:9])
    await assert_over(client, stream, reader.cursor)


@pytest.mark.parametrize("first", ENDLESS)
async def test_until_now_is_kept_in_the_cursor_across_every_form(
    client: Client, first: str
) -> None:
    stream, expected = await started(client, 9)
    reader = Reader(client, stream)

    async with asyncio.timeout(30):
        await reader.over(first, most=2, query={"until": "now"})
        await send_batch(client, stream, ["too", "late"])
        await all_results(client, stream, 11)
        for form in ENDLESS:
            await reader.over(form, most=2, query={"until": "now"})
        is_over = await reader.over(first)

    assert is_over
    assert without_ids(reader.results) == without_ids(expected)
    await assert_over(client, stream, reader.cursor)


async def test_a_reader_past_the_end_is_told_so_on_every_form(client: Client) -> None:
    stream, expected = await started(client, 3)
    reader = Reader(client, stream)
    assert (await client.http.post(f"/stream/{stream}/end")).status_code == 202

    async with asyncio.timeout(20):
        await reader.over("sse", most=2)
        is_over = await reader.over("lines")

    assert is_over
    assert reader.results[:3] == expected
    assert [result["kind"] for result in reader.results[3:]] == ["end"]
    await assert_over(client, stream, reader.cursor)


async def assert_over(client: Client, stream: str, cursor: str | None) -> None:
    """A reading that is over says so on every form, and at once."""
    for form in FORMS:
        reader = Reader(client, stream, cursor)
        async with asyncio.timeout(10):
            assert await reader.over(form)
        assert reader.results == []
    query, headers = {"cursor": cursor}, {"accept": "text/event-stream"}
    answer = await client.http.get(f"/stream/{stream}/results", params=query, headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("form", FORMS)
async def test_a_reading_begins_where_it_is_asked_to(client: Client, form: str) -> None:
    stream, results = await started(client, 6)
    # Results of one batch may share their millisecond, so that of the fourth decides.
    moment = results[3]["processed_at"]
    since = [result for result in results if result["processed_at"] >= moment]

    async with asyncio.timeout(30):
        for query, expected in (
            ({}, results),
            ({"from": "start"}, results),
            ({"tail": "2"}, results[-2:]),
            ({"tail": "100"}, results),
            ({"since": moment}, since),
            ({"since": "2000-01-01T00:00:00+01:00"}, results),
        ):
            reader = Reader(client, stream)
            await reader.over(form, most=len(expected), query=query)
            assert reader.results == expected, query


def without_ids(results: list[Json]) -> list[Json]:
    """Return what limit and until do not change."""
    return [{name: member for name, member in result.items() if name != "id"} for result in results]
