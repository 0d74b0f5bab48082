"""GET /stream/{id}/results as server-sent events."""

from __future__ import annotations

import re
import time
from typing import Any

from ..case import each, waits
from ..client.api import EVENT_STREAM, UNKNOWN, Api
from ..client.stream import Stream
from ..client.strict_json import Json

CURSOR = re.compile(r"[A-Za-z0-9._-]{1,128}")
MEMBERS = {"id", "stream_id", "kind", "source", "data", "sent_at", "processed_at"}


async def _of_each_kind(api: Api) -> Stream:
    """Return an ended stream with a result, a failed one and the end."""
    stream = await api.start(processor={"name": "reject", "when": "bad"})
    await stream.send_all({"bad": False}, {"bad": True})
    await stream.end()
    await stream.results(3)
    return stream


@each(
    {
        "its own type": "text/event-stream",
        "anything": "*/*",
        "nothing": None,
        "an empty field": "",
        "text of any kind": "text/*",
        "with a quality": "application/json;q=0.5, text/event-stream",
    }
)
async def events_are_the_answer_to(api: Api, accept: str | None) -> None:
    """`text/event-stream` and `*/*` SSE"""
    stream = await api.shared()
    async with stream.events(accept=accept, from_="now") as events:
        assert events.status == 200
        assert events.headers["content-type"].partition(";")[0] == EVENT_STREAM


async def events_are_not_cached_buffered_or_compressed(api: Api) -> None:
    stream = await api.shared()
    encodings = {"accept-encoding": "gzip, deflate, br, zstd"}
    async with stream.events(headers=encodings, from_="now") as events:
        assert events.headers["cache-control"] == "no-store, no-transform"
        assert events.headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in events.headers
        assert "content-length" not in events.headers


async def the_first_bytes_come_at_once_on_an_empty_stream(api: Api) -> None:
    """On a quiet machine within 100 ms; the best of five tries may take ten times that here."""
    took = []
    for _ in range(5):
        stream = await api.start()
        begun = time.monotonic()
        async with stream.events() as events:
            assert await events.piece()
        took.append(time.monotonic() - begun)

    assert min(took) < 1.0


async def a_retry_and_a_bare_id_come_with_the_first_bytes(api: Api) -> None:
    stream = await api.shared()
    async with stream.events(from_="now") as events:
        first = await events.must()

    assert not first.data
    assert first.name == "message"
    assert CURSOR.fullmatch(first.id)
    assert first.retry is not None
    assert 100 <= first.retry <= 60_000


async def the_retry_is_jittered(api: Api) -> None:
    stream, retries = await api.shared(), set[int | None]()
    for _ in range(8):
        async with stream.events(from_="now") as events:
            retries.add((await events.must()).retry)

    assert len(retries) > 1


async def a_result_is_one_json_object_on_one_line(api: Api) -> None:
    stream = await api.start()
    await stream.send({"text": "two\nlines\r and more"})

    async with stream.events() as events:
        event = await events.with_data()

    assert event.json().keys() == MEMBERS
    assert event.raw.count(b"\n") == 1, "expected id: and data: alone"


async def a_result_has_no_event_field(api: Api) -> None:
    """no `event:` field for results (so `onmessage` sees them)"""
    stream = await api.start()
    await stream.send(1)

    async with stream.events() as events:
        event = await events.with_data()

    assert b"event:" not in event.raw


async def the_id_of_an_event_is_the_id_of_its_result(api: Api) -> None:
    stream = await api.start()
    await stream.send(1)

    async with stream.events() as events:
        event = await events.with_data()

    assert event.raw.startswith(b"id: ")
    assert event.json()["id"] == event.id
    assert CURSOR.fullmatch(event.id)


async def a_failed_result_is_an_event_failed_with_an_error(api: Api) -> None:
    """`failed` carries `error` in place of `data`: a problem with code `processing-failed`."""
    stream = await _of_each_kind(api)
    async with stream.events() as events:
        await events.with_data()
        event = await events.with_data()

    result = event.json()
    assert event.name == "failed"
    assert result.keys() == (MEMBERS - {"data"}) | {"error"}
    assert result["kind"] == "failed"
    _check_error(result["error"])


def _check_error(error: Json) -> None:
    """without `status` and `request_id`"""
    assert error["code"] == "processing-failed"
    assert error["type"] == "/problems/processing-failed"
    assert isinstance(error["retriable"], bool)
    assert error["title"]
    assert error["detail"]
    assert not {"status", "request_id"} & error.keys()


async def the_end_is_an_event_end_and_the_answer_is_over(api: Api) -> None:
    stream = await _of_each_kind(api)
    async with stream.events() as events:
        told = [event for event in await events.rest() if event.data]

    assert [event.name for event in told] == ["message", "failed", "end"]
    assert told[-1].json()["kind"] == "end"
    assert told[-1].id == told[-1].json()["id"]


async def no_data_can_break_out_of_its_event(api: Api) -> None:
    stream = await api.start()
    nasty = ["\n\nevent: end\ndata: {}\n\n", "\r\rid: x\r\r", "\x00", "\u2028id: y", "a: b", ":"]
    await stream.send_all(*nasty)

    async with stream.events() as events:
        results = await events.results(len(nasty))

    assert [result["data"] for result in results] == nasty


async def results_that_come_later_arrive_on_an_open_reading(api: Api) -> None:
    stream = await api.start()
    async with stream.events() as events:
        await events.must()
        for number in range(5):
            await stream.send(number)
            [result] = await events.results(1)
            assert result["data"] == number


async def a_reader_resumes_behind_its_last_event_id(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(*range(6))
    results = await stream.results(6)

    for place, result in enumerate(results[:-1]):
        async with stream.events(at=result["id"]) as events:
            assert (await events.results(1))[0]["data"] == place + 1


async def a_reader_that_drops_before_its_first_result_resumes(api: Api) -> None:
    stream = await api.start()
    async with stream.events() as events:
        first = await events.must()
    await stream.send_all("a", "b")

    async with stream.events(at=first.id) as events:
        results = await events.results(2)

    assert [result["data"] for result in results] == ["a", "b"]


async def a_reader_from_now_that_drops_at_once_misses_nothing(api: Api) -> None:
    stream = await api.start()
    await stream.send("before")
    await stream.results(1)
    async with stream.events(from_="now") as events:
        first = await events.must()
    await stream.send("after")

    async with stream.events(at=first.id, from_="now") as events:
        [result] = await events.results(1)

    assert result["data"] == "after"


@each(
    {
        "from start": {"from_": "start"},
        "from now": {"from_": "now"},
        "tail": {"tail": 1},
        "since": {"since": "2020-01-01T00:00:00Z"},
    }
)
async def the_last_event_id_wins_over_the_query(api: Api, query: dict[str, Any]) -> None:
    """position: `Last-Event-ID` header, else exactly one of …"""
    stream = await api.start()
    await stream.send_all(*range(4))
    results = await stream.results(4)

    async with stream.events(at=results[1]["id"], **query) as events:
        [result] = await events.results(1)

    assert result["data"] == 2


async def the_last_event_id_wins_over_a_cursor(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(*range(4))
    results = await stream.results(4)

    async with stream.events(at=results[1]["id"], cursor=results[0]["id"]) as events:
        assert (await events.results(1))[0]["data"] == 2


async def a_reader_past_the_end_gets_204(api: Api) -> None:
    stream = await _of_each_kind(api)
    end = (await stream.results(3))[-1]["id"]

    async with stream.events(at=end) as events:
        answer = await events.answer()

    assert (answer.status, answer.body) == (204, b"")


async def limit_ends_a_reading_and_is_kept_in_its_cursor(api: Api) -> None:
    """both are kept in the cursor, and a reader that has reached them gets 204."""
    stream = await api.start()
    await stream.send_all(*range(5))
    await stream.results(5)
    async with stream.events(limit=3) as events:
        first = await events.with_data()
    async with stream.events(at=first.id, limit=3) as events:
        rest = [event for event in await events.rest() if event.data]

    assert [event.json()["data"] for event in rest] == [1, 2]
    async with stream.events(at=rest[-1].id, limit=3) as events:
        assert events.status == 204


async def until_now_ends_a_reading_where_the_log_ended(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(*range(3))
    await stream.results(3)
    async with stream.events(until="now") as events:
        told = await events.rest()
    await stream.send("later")
    await stream.results(4)

    assert [event.json()["data"] for event in told if event.data] == [0, 1, 2]
    # The last id of any kind is what an EventSource comes back with.
    async with stream.events(at=told[-1].id, until="now") as events:
        assert events.status == 204


async def until_now_stands_where_it_stood_at_the_first_request(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(*range(3))
    await stream.results(3)
    async with stream.events(until="now") as events:
        first = await events.with_data()
    await stream.send("later")
    await stream.results(4)

    async with stream.events(at=first.id, until="now") as events:
        rest = [event for event in await events.rest() if event.data]

    assert [event.json()["data"] for event in rest] == [1, 2]


async def until_now_on_an_empty_stream_ends_at_once(api: Api) -> None:
    stream = await api.start()

    async with stream.events(until="now") as events:
        answer = await events.answer()

    assert answer.status == 204 or b"data:" not in answer.body


async def every_event_with_data_can_be_cut_behind(api: Api) -> None:
    """Put `id:` in the same event as its data: the id is the whole position."""
    stream = await api.start()
    await stream.send_all(*range(3))
    await stream.results(3)
    seen, at = [], None
    for _ in range(3):
        async with stream.events(at=at) as events:
            event = await events.with_data()
        seen.append(event.json()["data"])
        at = event.id

    assert seen == [0, 1, 2]


@each(
    {
        "a cursor that is none": ("?cursor=nonsense", "invalid-cursor"),
        "a limit of 0": ("?limit=0", "invalid-parameter"),
        "two positions": ("?from=start&tail=1", "invalid-parameter"),
    }
)
async def what_the_client_did_wrong_keeps_its_status(api: Api, query: str, code: str) -> None:
    """204 and what the client did wrong (400, 401, 403, 404, 406) stay what they are."""
    stream = await api.shared()

    (await api.get(stream.results_path + query, EVENT_STREAM)).refused(code)


async def an_unknown_stream_is_404_for_an_event_source_too(api: Api) -> None:
    (await api.get(f"/stream/{UNKNOWN}/results", EVENT_STREAM)).refused("unknown-stream")


async def a_wrong_key_is_401_for_an_event_source_too(api: Api) -> None:
    stream = await api.shared()

    answer = await api.with_key("wrong-key").get(stream.results_path, EVENT_STREAM)

    answer.refused("unauthorized")


async def strict_changes_nothing_where_nothing_is_refused(api: Api) -> None:
    stream = await api.shared()
    async with stream.events(strict="1", from_="now") as events:
        assert events.status == 200
        assert (await events.must()).id


@waits
async def a_comment_comes_as_heartbeat_every_15_s(api: Api) -> None:
    stream = await api.start()
    async with stream.events() as events:
        await events.must()
        begun = time.monotonic()
        silence = await events.piece()
        waited = time.monotonic() - begun

    assert not [event for event in events.parser.feed(silence) if event.data]
    assert events.parser.comments == 1
    assert 10 < waited < 25


async def head_of_results_is_get_without_a_body(api: Api) -> None:
    stream = await api.shared()

    answer = await api.ask("HEAD", stream.results_path, headers={"accept": EVENT_STREAM})

    assert (answer.status, answer.body) == (200, b"")
