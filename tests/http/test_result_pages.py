"""Which results one page holds, where it ends, and that it never loses one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.model import Position
from streaming_runtime.core.reading import Readings
from streaming_runtime.http.result_pages import Page, read_page
from tests.core.memory import OTHER_ID, SEAL, STREAM_ID, MemoryLog, a_stream

STREAM = a_stream()


def at(offset: int, **bounds: Any) -> Cursor:
    return Cursor("incarn01", Position(offset), **bounds)


async def page_of(log: MemoryLog, cursor: Cursor, **wishes: Any) -> Page:
    asked: dict[str, Any] = {"limit": 100, "wait_seconds": 0, "most_bytes": 1 << 20, **wishes}
    return await read_page(Readings(log, SEAL), STREAM, cursor, **asked)


def sources(page: Page) -> list[str]:
    return [delivery.result.entry.source for delivery in page.deliveries]


@pytest.fixture
def log() -> MemoryLog:
    """Five results of the stream among ten of another."""
    log = MemoryLog(batch=2)
    for source in range(15):
        log.write(source, STREAM_ID if source % 3 == 0 else OTHER_ID)
    return log


async def test_a_page_holds_all_that_exists_however_it_is_fetched(log: MemoryLog) -> None:
    page = await page_of(log, at(0))

    assert sources(page) == ["3-0", "3-3", "3-6", "3-9", "3-12"]
    assert not page.is_end


async def test_pages_follow_each_other_without_hole_or_repeat(log: MemoryLog) -> None:
    cursor, found = at(0), []

    for _ in range(4):
        page = await page_of(log, cursor, limit=2)
        found += sources(page)
        cursor = SEAL.decode(STREAM_ID, page.cursor)

    assert found == ["3-0", "3-3", "3-6", "3-9", "3-12"]


async def test_an_empty_page_moves_the_cursor_past_what_is_not_the_streams() -> None:
    log = MemoryLog()
    for source in range(5):
        log.write(source, OTHER_ID)

    page = await page_of(log, at(0))

    assert (page.deliveries, page.is_end) == ([], False)
    assert SEAL.decode(STREAM_ID, page.cursor).position.offset == 5


async def test_a_page_with_the_end_says_that_nothing_follows_and_so_does_its_cursor(
    log: MemoryLog,
) -> None:
    log.write(15, kind="end")

    page = await page_of(log, at(0))
    behind = await page_of(log, SEAL.decode(STREAM_ID, page.cursor), wait_seconds=20)

    assert sources(page)[-1] == "3-15"
    assert (page.is_end, behind.is_end, behind.deliveries) == (True, True, [])


async def test_a_limit_of_the_cursor_bounds_its_pages(log: MemoryLog) -> None:
    page = await page_of(log, at(0, limit=3))

    assert sources(page) == ["3-0", "3-3", "3-6"]
    assert page.is_end


async def test_until_of_the_cursor_bounds_its_pages(log: MemoryLog) -> None:
    page = await page_of(log, at(0, until=7))

    assert sources(page) == ["3-0", "3-3", "3-6"]
    assert page.is_end


async def test_a_page_too_large_to_be_passed_on_is_cut_behind_a_result(log: MemoryLog) -> None:
    two = sum(d.result.size for d in (await page_of(log, at(0))).deliveries[:2])

    first = await page_of(log, at(0), most_bytes=two)
    rest = await page_of(log, SEAL.decode(STREAM_ID, first.cursor))

    assert sources(first) == ["3-0", "3-3"]
    assert sources(first) + sources(rest) == ["3-0", "3-3", "3-6", "3-9", "3-12"]


async def test_a_result_larger_than_a_page_still_comes(log: MemoryLog) -> None:
    page = await page_of(log, at(0), most_bytes=1)

    assert sources(page) == ["3-0"]


async def test_a_log_that_cannot_be_read_is_no_empty_page(log: MemoryLog) -> None:
    log.lags = True

    with pytest.raises(BrokerUnavailable):
        await page_of(log, at(0))


async def test_no_feed_stays_open(log: MemoryLog) -> None:
    await page_of(log, at(0))

    assert log.open_feeds == 0


async def test_the_json_of_a_page_is_the_contracts(log: MemoryLog) -> None:
    page = await page_of(log, at(0), limit=1)

    document = json.loads(page.encode())

    assert list(document) == ["results", "cursor", "end"]
    assert document["results"][0]["id"] == document["cursor"] == page.cursor
    assert document["results"][0]["data"] == {"n": 0}
    assert document["end"] is False
