"""GET /stream/{id} and GET /streams."""

from __future__ import annotations

import re
from typing import Any

from ..case import each
from ..client.api import UNKNOWN, Api
from ..client.stream import Stream
from ..client.strict_json import Json

MEMBERS = {"stream_id", "processor", "label", "created_at", "ttl_seconds", "ended_at"}


async def _all(api: Api, limit: int = 1_000) -> list[Json]:
    found: list[Json] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = (await api.get("/streams", **query)).ok()
        assert len(page["streams"]) <= limit
        found += page["streams"]
        if page["after"] is None:
            return found
        query["after"] = page["after"]


async def a_stream_is_told_with_its_six_members(api: Api) -> None:
    stream = await api.start(label="a label", ttl_seconds=9_999, processor="uppercase")

    looked = await stream.look()

    assert looked.keys() == MEMBERS
    assert (looked["stream_id"], looked["label"]) == (stream.id, "a label")
    assert (looked["ttl_seconds"], looked["ended_at"]) == (9_999, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", looked["created_at"])


async def a_stream_without_label_and_ttl_has_null_there(api: Api) -> None:
    looked = await (await api.start()).look()

    assert (looked["label"], looked["ttl_seconds"]) == (None, None)


async def a_stream_is_known_as_soon_as_its_start_is_answered(api: Api) -> None:
    for _ in range(5):
        stream = await api.start()
        assert (await stream.look())["stream_id"] == stream.id


@each(
    {
        "of the right form": UNKNOWN,
        "short": "x",
        "long": "x" * 2_000,
        "percent": "%25",
        "escaped": "%ff%fe%00",
        "unicode": "%C3%BC",
        "a space": "a%20b",
    }
)
async def a_stream_nobody_started_is_unknown(api: Api, stream_id: str) -> None:
    (await api.get(f"/stream/{stream_id}")).refused("unknown-stream")


async def a_list_has_streams_and_after(api: Api) -> None:
    await api.start()

    page = (await api.get("/streams")).ok()

    assert page.keys() == {"streams", "after"}
    assert page["streams"][0].keys() == MEMBERS


async def a_list_holds_what_was_started(api: Api) -> None:
    started = [(await api.start(label="listed")).id for _ in range(3)]

    listed = [stream["stream_id"] for stream in await _all(api)]

    assert set(started) <= set(listed)


async def a_list_is_in_the_order_of_created_at(api: Api) -> None:
    for _ in range(3):
        await api.start()

    times = [stream["created_at"] for stream in await _all(api)]

    assert times == sorted(times)


async def a_list_in_small_pages_is_the_list(api: Api) -> None:
    tenant = api.other()
    started = [(await tenant.start()).id for _ in range(7)]

    listed = [stream["stream_id"] for stream in await _all(tenant, limit=3)]

    assert len(listed) == len(set(listed)), "a stream stands in it twice"
    assert [stream for stream in listed if stream in started] == started


async def a_list_has_100_streams_a_page_by_default(api: Api) -> None:
    before = await _all(api)

    page = (await api.get("/streams")).ok()

    # Other cases start streams meanwhile.
    assert min(100, len(before)) <= len(page["streams"]) <= 100


async def a_look_and_the_list_say_the_same(api: Api) -> None:
    stream = await api.start(label="twice")

    looked = await stream.look()

    assert looked in await _all(api)


async def an_ended_stream_stays_in_the_list(api: Api) -> None:
    stream = await api.start()
    await stream.end()

    [listed] = [found for found in await _all(api) if found["stream_id"] == stream.id]

    assert listed["ended_at"] is not None


@each({"0": "0", "1,001": "1001", "minus one": "-1", "a word": "all", "nothing": ""})
async def a_limit_of_the_list_outside_1_to_1_000_is_refused(api: Api, limit: str) -> None:
    (await api.get("/streams", limit=limit)).refused("invalid-parameter")


@each({"a word": "nonsense", "nothing": "", "long": "A" * 3_000, "no ASCII": "ü", "NUL": "\x00"})
async def a_token_that_is_none_is_refused(api: Api, after: str) -> None:
    (await api.get("/streams", after=after)).refused("invalid-parameter")


async def a_list_holds_the_callers_own_streams_alone(api: Api) -> None:
    mine, theirs = await api.start(), await api.other().start()

    listed = {stream["stream_id"] for stream in await _all(api)}

    assert mine.id in listed
    assert theirs.id not in listed


@each(
    {
        "look": ("GET", ""),
        "send": ("POST", "/send"),
        "results": ("GET", "/results"),
        "end": ("POST", "/end"),
    }
)
async def a_foreign_stream_cannot_be_told_from_none(api: Api, method: str, path: str) -> None:
    """also another tenant's: the two are indistinguishable"""
    stream, other = await api.start(), api.other()
    body = b'{"data":1}' if path == "/send" else None

    foreign = await other.ask(method, f"{stream.path}{path}", body=body)
    unknown = await other.ask(method, f"/stream/{UNKNOWN}{path}", body=body)

    one, two = foreign.refused("unknown-stream"), unknown.refused("unknown-stream")
    assert one.pop("request_id") != two.pop("request_id")
    assert one == two
    assert foreign.headers.keys() == unknown.headers.keys()


async def a_foreign_stream_cannot_be_told_from_none_on_a_socket(api: Api) -> None:
    stream, other = await api.start(), api.other()
    told = []
    for stream_id in (stream.id, UNKNOWN):
        async with Stream(other, stream_id).socket() as socket:
            frame = await socket.frame()
            frame["problem"].pop("request_id")
            told.append((frame, await socket.close_code()))

    assert told[0] == told[1]
    assert told[0][1] == 4404
