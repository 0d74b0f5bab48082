"""POST /stream/{id}/end, and streams that end by themselves."""

from __future__ import annotations

import asyncio

from ..case import each, waits
from ..client.api import UNKNOWN, Api


async def an_end_is_202_and_again_202(api: Api) -> None:
    stream = await api.start()

    for _ in range(3):
        assert (await api.post(f"{stream.path}/end")).status == 202


@each({"empty": b"", "an empty object": b"{}", "white space": b" \n"})
async def an_end_takes_no_body(api: Api, body: bytes) -> None:
    stream = await api.start()

    assert (await api.post(f"{stream.path}/end", body)).status == 202


@each({"a member": b'{"now":true}', "a list": b"[]", "no JSON": b"please"})
async def an_end_with_anything_in_its_body_is_refused(api: Api, body: bytes) -> None:
    """Unknown fields are refused in every JSON body."""
    stream = await api.start()

    (await api.post(f"{stream.path}/end", body)).refused("invalid-body")

    assert (await stream.look())["ended_at"] is None


async def a_stream_tells_when_it_ended(api: Api) -> None:
    stream = await api.start()
    assert (await stream.look())["ended_at"] is None

    await stream.end()

    looked = await stream.look()
    assert looked["created_at"] <= looked["ended_at"]


async def a_second_end_does_not_move_the_first(api: Api) -> None:
    stream = await api.start()
    await stream.end()
    first = (await stream.look())["ended_at"]

    await stream.end()

    assert (await stream.look())["ended_at"] == first


async def an_end_is_a_result_behind_all_others(api: Api) -> None:
    """readers get a result of kind `end`"""
    stream = await api.start()
    await stream.send_all(*range(5))
    await stream.end()

    results = await stream.results(6)

    assert [result["kind"] for result in results] == ["result"] * 5 + ["end"]


async def there_is_one_end_however_often_it_is_asked_for(api: Api) -> None:
    stream = await api.start()
    await asyncio.gather(*(stream.end() for _ in range(4)))
    await stream.results(1)

    page = await stream.page()

    assert [result["kind"] for result in page["results"]] == ["end"]
    assert page["end"] is True


async def an_end_result_has_the_members_of_a_result(api: Api) -> None:
    stream = await api.start()
    await stream.end()

    [end] = await stream.results(1)

    assert end.keys() >= {"id", "stream_id", "kind", "source", "sent_at", "processed_at"}
    assert end["stream_id"] == stream.id


async def an_ended_stream_takes_no_more(api: Api) -> None:
    stream = await api.start()
    await stream.end()

    (await stream.post(b'{"data":1}')).refused("stream-ended")


async def an_ended_stream_can_still_be_read(api: Api) -> None:
    stream = await api.start()
    await stream.send("kept")
    await stream.end()

    assert (await stream.results(2))[0]["data"] == "kept"


async def open_readings_of_every_form_get_the_end(api: Api) -> None:
    stream = await api.start()
    async with stream.events() as events, stream.lines() as lines:
        await events.must()
        await lines.must()
        page = asyncio.ensure_future(stream.page(wait=25))
        await stream.end()

        assert (await events.with_data()).name == "end"
        assert await events.next() is None
        told = [line for line in await lines.rest() if "control" not in line]
        assert [line["kind"] for line in told] == ["end"]
        assert (await page)["end"] is True


async def an_open_socket_gets_the_end_and_is_closed_with_1000(api: Api) -> None:
    stream = await api.start()
    async with stream.socket() as socket:
        await socket.of("position")
        await stream.end()

        assert (await socket.of("end"))["kind"] == "end"
        assert await socket.close_code() == 1000


async def an_unknown_stream_cannot_be_ended(api: Api) -> None:
    (await api.post(f"/stream/{UNKNOWN}/end")).refused("unknown-stream")


async def a_foreign_stream_cannot_be_ended(api: Api) -> None:
    stream = await api.start()

    (await api.other().post(f"{stream.path}/end")).refused("unknown-stream")

    assert (await stream.look())["ended_at"] is None


@waits
async def a_stream_ends_by_itself_after_its_ttl(api: Api) -> None:
    """After `ttl_seconds` the stream ends by itself"""
    stream = await api.start(ttl_seconds=2)
    async with stream.events() as events:
        assert (await events.with_data()).name == "end"

    (await stream.post(b'{"data":1}')).refused("stream-ended")
    assert (await stream.look())["ended_at"] is not None


@waits
async def what_was_sent_before_a_ttl_is_over_is_read(api: Api) -> None:
    stream = await api.start(ttl_seconds=4)
    await stream.send("in time")

    results = await stream.results(2)

    assert [result["kind"] for result in results] == ["result", "end"]
