"""GET /stream/{id}/results as JSON pages."""

from __future__ import annotations

import asyncio
import time

from ..case import each, waits
from ..client.api import JSON, UNKNOWN, Api


async def a_page_has_results_cursor_and_end(api: Api) -> None:
    stream = await api.start()

    answer = await stream.ask_page()

    page = answer.ok()
    assert page.keys() == {"results", "cursor", "end"}
    assert (page["results"], page["end"]) == ([], False)
    assert page["cursor"]


async def a_page_holds_the_results_in_order(api: Api) -> None:
    stream = await api.start()
    receipts = await stream.send_all("a", "b", "c")
    await stream.results(3)

    page = await stream.page()

    assert [result["data"] for result in page["results"]] == ["a", "b", "c"]
    assert [r["source"] for r in page["results"]] == [r["record_id"] for r in receipts]


async def a_page_has_100_results_by_default(api: Api) -> None:
    stream = await api.start()
    await stream.post(b"[" + b",".join(b'{"data":%d}' % n for n in range(150)) + b"]")
    await stream.results(150)

    page = await stream.page()

    assert [result["data"] for result in page["results"]] == list(range(100))
    rest = await stream.page(cursor=page["cursor"])
    assert [result["data"] for result in rest["results"]] == list(range(100, 150))


@each({"1": 1, "2": 2, "5": 5, "1,000": 1_000})
async def limit_is_the_size_of_a_page(api: Api, limit: int) -> None:
    stream = await api.start()
    await stream.send_all(*range(7))
    await stream.results(7)

    page = await stream.page(limit=limit)

    assert [result["data"] for result in page["results"]] == list(range(7))[:limit]


@each(
    {"0": "0", "1,001": "1001", "minus one": "-1", "a half": "1.5", "a word": "all", "nothing": ""}
)
async def a_limit_outside_1_to_1_000_is_refused(api: Api, limit: str) -> None:
    (await (await api.shared()).ask_page(limit=limit)).refused("invalid-parameter")


async def the_size_of_a_page_is_not_kept_in_its_cursor(api: Api) -> None:
    """JSON is always 200: `limit` is a page's size, and no bound of the reading."""
    stream = await api.start()
    await stream.send_all(*range(5))
    await stream.results(5)

    first = await stream.page(limit=2)
    second = await stream.page(cursor=first["cursor"], limit=2)

    assert [result["data"] for result in second["results"]] == [2, 3]
    assert second["end"] is False


async def the_cursor_of_an_empty_page_resumes(api: Api) -> None:
    stream = await api.start()
    page = await stream.page()
    await stream.send("later")

    [result] = await stream.results(1, cursor=page["cursor"])

    assert result["data"] == "later"


async def the_cursor_of_a_page_is_the_id_of_its_last_result_or_behind_it(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(1, 2)
    await stream.results(2)

    page = await stream.page()

    by_id = await stream.page(cursor=page["results"][-1]["id"])
    by_cursor = await stream.page(cursor=page["cursor"])
    assert by_id["results"] == by_cursor["results"] == []


async def wait_holds_an_empty_page_until_a_result_is_there(api: Api) -> None:
    stream = await api.start()

    async def later() -> None:
        await asyncio.sleep(0.5)
        await stream.send("later")

    page, _ = await asyncio.gather(stream.page(wait=25), later())

    assert [result["data"] for result in page["results"]] == ["later"]


async def wait_is_over_when_its_time_is(api: Api) -> None:
    stream, begun = await api.start(), time.monotonic()

    page = await stream.page(wait=1)

    assert page["results"] == []
    assert 0.9 < time.monotonic() - begun < 15


async def without_wait_an_empty_page_comes_at_once(api: Api) -> None:
    stream, begun = await api.start(), time.monotonic()

    await stream.page(wait=0)
    await stream.page()

    assert time.monotonic() - begun < 8


@each({"26": "26", "minus one": "-1", "a half": "0.5", "a word": "long", "nothing": ""})
async def a_wait_outside_0_to_25_is_refused(api: Api, wait: str) -> None:
    (await (await api.shared()).ask_page(wait=wait)).refused("invalid-parameter")


@waits
async def a_wait_of_25_s_is_taken(api: Api) -> None:
    stream, begun = await api.start(), time.monotonic()

    page = await stream.page(wait=25)

    assert page["results"] == []
    assert 24 < time.monotonic() - begun < 35


async def a_page_past_the_end_says_so_with_200(api: Api) -> None:
    """JSON is always 200, with `end: true` past the end."""
    stream = await api.start()
    await stream.send(1)
    await stream.end()
    results = await stream.results(2)

    page = await stream.page(cursor=results[-1]["id"])

    assert results[-1]["kind"] == "end"
    assert (page["results"], page["end"]) == ([], True)


async def a_page_that_reaches_the_end_holds_it(api: Api) -> None:
    stream = await api.start()
    await stream.send(1)
    await stream.end()
    await stream.results(2)

    page = await stream.page()

    assert [result["kind"] for result in page["results"]] == ["result", "end"]
    assert page["end"] is True


async def a_page_before_the_end_does_not_say_end(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(1, 2)
    await stream.end()
    await stream.results(3)

    page = await stream.page(limit=2)

    assert page["end"] is False


async def wait_returns_at_once_past_the_end(api: Api) -> None:
    """its `wait` returns at once there"""
    stream = await api.start()
    await stream.end()
    at = await stream.cursor(behind=1)
    begun = time.monotonic()

    page = await stream.page(cursor=at, wait=25)

    assert page["end"] is True
    assert time.monotonic() - begun < 8


async def until_now_gives_a_page_its_end(api: Api) -> None:
    """On the endless forms `until` is kept in the cursor; JSON is 200 with `end: true` there."""
    stream = await api.start()
    await stream.send(1)
    await stream.results(1)
    async with stream.events(until="now") as events:
        at = (await events.with_data()).id

    page = await stream.page(cursor=at, wait=25)

    assert (page["results"], page["end"]) == ([], True)


async def the_same_page_is_the_same_bytes(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(1, "two", [3])
    await stream.results(3)

    first, second = await stream.ask_page(limit=2), await stream.ask_page(limit=2)

    assert first.body == second.body


async def pages_go_on_where_they_stopped_without_hole_or_repeat(api: Api) -> None:
    stream = await api.start()
    await stream.post(b"[" + b",".join(b'{"data":%d}' % n for n in range(200)) + b"]")
    await stream.results(200)
    seen: list[object] = []
    at: dict[str, object] = {}
    for limit in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89):
        page = await stream.page(limit=limit, **at)
        seen += [result["data"] for result in page["results"]]
        at = {"cursor": page["cursor"]}

    assert seen == list(range(200))


async def a_page_of_an_unknown_stream_is_refused(api: Api) -> None:
    (await api.get(f"/stream/{UNKNOWN}/results", JSON)).refused("unknown-stream")


async def a_page_is_not_compressed_into_something_else(api: Api) -> None:
    stream = await api.shared()

    answer = await api.ask(
        "GET",
        stream.results_path,
        headers={"accept": "application/json, text/event-stream;q=0.1"},
        query={"limit": 1},
    )

    assert answer.ok().keys() == {"results", "cursor", "end"}
