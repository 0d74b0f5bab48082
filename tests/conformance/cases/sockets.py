"""A WebSocket on the path of results."""

from __future__ import annotations

import json
from contextlib import suppress

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from ..case import each
from ..client.answer import check_problem
from ..client.api import UNKNOWN, Api
from ..client.events import Socket
from ..client.stream import Stream
from ..client.strict_json import Json, parse_object

LARGEST = 256 << 10
MEMBERS = {"type", "id", "stream_id", "kind", "source", "data", "sent_at", "processed_at"}


async def frames_are_json_texts_with_a_type(api: Api) -> None:
    stream = await api.start()
    await stream.send(1)
    async with stream.socket() as socket:
        for _ in range(2):
            assert isinstance((await socket.frame())["type"], str)


async def the_first_frame_is_the_position(api: Api) -> None:
    stream = await api.start()
    async with stream.socket() as socket:
        first = await socket.frame()

    assert first["type"] == "position"
    assert first["cursor"]


async def a_result_is_a_frame_with_the_members_of_a_result(api: Api) -> None:
    stream = await api.start()
    await stream.send({"a": 1})

    async with stream.socket() as socket:
        frame = await socket.of("result")

    assert frame.keys() == MEMBERS
    frame.pop("type")
    assert [frame] == await stream.results(1)


async def failed_and_end_are_frames_of_their_type_and_the_close_is_1000(api: Api) -> None:
    stream = await api.start(processor={"name": "reject", "when": "bad"})
    await stream.send_all({"bad": True}, {"bad": False})
    await stream.end()

    async with stream.socket() as socket:
        told = [frame["type"] async for frame in socket.frames()]

        assert told[1:] == ["failed", "result", "end"]
        assert await socket.close_code() == 1000


async def a_socket_resumes_at_a_cursor(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(*range(4))
    at = await stream.cursor(behind=2)

    async with stream.socket(cursor=at) as socket:
        assert [result["data"] for result in await socket.results(2)] == [2, 3]


async def a_socket_resumes_at_a_last_event_id(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(*range(4))
    at = await stream.cursor(behind=2)

    async with stream.socket(headers={"Last-Event-ID": at}, from_="start") as socket:
        assert (await socket.results(1))[0]["data"] == 2


async def the_position_of_a_socket_is_a_cursor(api: Api) -> None:
    stream = await api.start()
    async with stream.socket() as socket:
        at = (await socket.frame())["cursor"]
    await stream.send("behind it")

    assert (await stream.results(1, cursor=at))[0]["data"] == "behind it"


async def limit_closes_a_socket_with_1000(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(*range(4))

    async with stream.socket(limit=2) as socket:
        results = await socket.results(2)
        assert await socket.close_code() == 1000
    async with stream.socket(cursor=results[-1]["id"]) as socket:
        assert await socket.close_code() == 1000

    assert [result["data"] for result in results] == [0, 1]


async def until_now_closes_a_socket_with_1000(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(*range(3))
    await stream.results(3)

    async with stream.socket(until="now") as socket:
        assert [result["data"] for result in await socket.results(3)] == [0, 1, 2]
        assert await socket.close_code() == 1000


async def a_socket_past_the_end_is_closed_with_1000(api: Api) -> None:
    stream = await api.start()
    await stream.end()
    at = await stream.cursor(behind=1)

    async with stream.socket(cursor=at) as socket:
        told = [frame async for frame in socket.frames()]
        assert await socket.close_code() == 1000

    assert not [frame for frame in told if frame["type"] in ("result", "error")]


async def a_frame_send_is_answered_by_a_receipt(api: Api) -> None:
    stream = await api.start()
    async with stream.socket() as socket:
        await socket.say({"type": "send", "data": "over a socket", "ref": 7})
        receipt = await socket.of("receipt", "error")
        assert receipt.keys() >= {"ref", "stream_id", "record_id", "partition", "offset"}
        assert (receipt["ref"], receipt["stream_id"]) == (7, stream.id)

    [result] = await stream.results(1)
    assert (result["data"], result["source"]) == ("over a socket", receipt["record_id"])


async def one_socket_is_bidirectional(api: Api) -> None:
    stream = await api.start()
    async with stream.socket() as socket:
        await socket.say({"type": "send", "data": 1, "ref": "a"})
        found = {(await socket.of("receipt", "result"))["type"] for _ in range(2)}

    assert found == {"receipt", "result"}


@each(
    {
        "a text": '"a"',
        "a number": "9007199254740993",
        "null": "null",
        "an object": '{"a":[1,{"b":null}]}',
        "a list": "[]",
        "false": "false",
        "an escape": '"\\u20ac\\n"',
    }
)
async def a_ref_is_any_json_and_comes_back(api: Api, ref: str) -> None:
    stream = await api.shared()
    async with stream.socket(from_="now") as socket:
        await socket.say_raw(f'{{"type":"send","data":1,"ref":{ref}}}')
        text = await _raw_of(socket, "receipt")

    assert parse_object(text)["ref"] == json.loads(ref)
    assert "9007199254740993" not in ref or ref in text


async def _raw_of(socket: Socket, kind: str) -> str:
    while parse_object(text := await socket.raw())["type"] != kind:
        pass
    return text


async def a_send_without_a_ref_has_a_receipt_too(api: Api) -> None:
    stream = await api.shared()
    async with stream.socket(from_="now") as socket:
        await socket.say({"type": "send", "data": 1})

        assert (await socket.of("receipt", "error"))["type"] == "receipt"


async def the_sends_of_a_socket_keep_their_order(api: Api) -> None:
    stream = await api.start()
    async with stream.socket(from_="now") as socket:
        for number in range(100):
            await socket.say({"type": "send", "data": number, "ref": number})
        refs = [(await socket.of("receipt", "error"))["ref"] for _ in range(100)]

    assert refs == list(range(100))
    assert [result["data"] for result in await stream.results(100)] == list(range(100))


async def the_data_of_a_frame_is_passed_on_token_for_token(api: Api) -> None:
    stream = await api.start()
    async with stream.socket() as socket:
        await socket.say_raw('{"type":"send","data":{"n":9007199254740993,"f":1.50}}')
        text = await _raw_of(socket, "result")

    assert '{"n":9007199254740993,"f":1.50}' in text


@each(
    {
        "NaN": ('"data":NaN', "invalid-body"),
        "no data": ('"ref":1', "invalid-body"),
        "an unknown member": ('"data":1,"more":2', "invalid-body"),
        "a lone surrogate": ('"data":"\\ud800"', "invalid-body"),
        "101 levels": ('"data":' + "[" * 101 + "]" * 101, "invalid-body"),
        "too large": ('"data":"' + "x" * LARGEST + '"', "record-too-large"),
    }
)
async def bad_data_in_a_frame_is_refused_and_the_socket_goes_on(
    api: Api, members: str, code: str
) -> None:
    """or `{"type":"error","ref","problem"}`, and the socket goes on (bad data, …)"""
    stream = await api.shared()
    ref = "" if '"ref"' in members else '"ref":1,'
    async with stream.socket(from_="now") as socket:
        await socket.say_raw(f'{{"type":"send",{ref}{members}}}')
        told = await socket.of("error", "receipt")
        check_problem(told["problem"], code)
        assert told["ref"] == 1
        await socket.say({"type": "send", "data": 1})
        assert (await socket.of("receipt", "error"))["type"] == "receipt"


async def a_send_behind_the_end_is_refused_on_the_socket(api: Api) -> None:
    stream = await api.start()
    await stream.send(1)
    await stream.end()
    at = await stream.cursor(behind=1)
    async with stream.socket(cursor=at) as socket:
        # It may be closed before this is said.
        with suppress(ConnectionClosed):
            await socket.say({"type": "send", "data": 1, "ref": 1})
        told = [frame async for frame in socket.frames()]
        code = await socket.close_code()

    # The end closes the socket: the refusal comes before it or not at all, but never a receipt.
    assert code == 1000
    assert not [frame for frame in told if frame["type"] == "receipt"]


@each(
    {
        "no JSON": "{",
        "an empty text": "",
        "a list": "[]",
        "a number": "1",
        "no type": '{"data":1}',
        "another type": '{"type":"sing"}',
        "a type that is no text": '{"type":1,"data":1}',
        "100,000 brackets": "[" * 100_000,
        "bytes": b'{"type":"send","data":1}',
    }
)
async def a_frame_that_is_none_closes_the_socket_with_4400(api: Api, frame: str | bytes) -> None:
    """a frame that is not JSON or has no such `type` closes it"""
    stream = await api.shared()
    async with stream.socket(from_="now") as socket:
        await socket.of("position")
        await socket.say_raw(frame)
        told = await socket.of("error")
        assert await socket.close_code() == 4400

    assert told["problem"]["code"] == "invalid-body"


async def a_message_of_300_kib_is_read(api: Api) -> None:
    stream = await api.shared()
    frame = {"type": "send", "data": "x" * (250 << 10), "ref": "y" * (49 << 10)}
    async with stream.socket(from_="now") as socket:
        await socket.say(frame)
        receipt = await socket.of("receipt", "error")

    assert receipt["ref"] == frame["ref"]


async def a_larger_message_closes_the_socket(api: Api) -> None:
    stream = await api.shared()
    async with stream.socket(from_="now") as socket:
        await socket.of("position")
        await socket.say({"type": "send", "data": 1, "ref": "y" * (301 << 10)})

        assert await socket.close_code() in (1009, 4400)


@each(
    {
        "an unknown stream": (f"/stream/{UNKNOWN}/results", {}, 4404, "unknown-stream"),
        "a wrong key": (None, {"x-api-key": "wrong"}, 4401, "unauthorized"),
        "no key": (None, {"x-api-key": ""}, 4401, "unauthorized"),
        "a bad cursor": ("?cursor=nonsense", {}, 4400, "invalid-cursor"),
        "a bad limit": ("?limit=0", {}, 4400, "invalid-parameter"),
    }
)
async def a_refused_upgrade_is_accepted_and_closed_with_its_code(
    api: Api, path: str | None, headers: Json, code: int, reason: str
) -> None:
    """since a browser cannot see the status of a refusal"""
    shared = await api.shared()
    stream = Stream(api, UNKNOWN) if path and path.startswith("/") else shared
    query = dict([path[1:].split("=")]) if path and path.startswith("?") else {}
    async with stream.socket(headers=headers, **query) as socket:
        told = await socket.frame()
        assert told["type"] == "error"
        check_problem(told["problem"], reason)
        assert await socket.close_code() == code


async def a_socket_of_another_origin_is_closed_with_4403(api: Api) -> None:
    """CORS_ORIGINS is the allow-list for the Origin of a WebSocket."""
    stream = await api.shared()
    for origin in ("https://elsewhere.example", "null"):
        async with stream.socket(headers={"Origin": origin}) as socket:
            assert await socket.close_code() == 4403


async def a_socket_of_the_servers_own_origin_is_opened(api: Api) -> None:
    stream = await api.shared()
    async with stream.socket(headers={"Origin": api.url}, from_="now") as socket:
        assert (await socket.frame())["type"] == "position"


async def a_socket_is_not_compressed(api: Api) -> None:
    stream = await api.shared()
    api.target.has("websocket")
    address = api.target.socket_url + stream.results_path
    async with connect(
        address, additional_headers=api.credential, compression="deflate", proxy=None
    ) as opened:
        assert opened.response is not None
        assert "sec-websocket-extensions" not in opened.response.headers


async def many_sockets_of_one_stream_see_the_same(api: Api) -> None:
    stream = await api.start()
    async with stream.socket() as first, stream.socket() as second, stream.socket() as third:
        await stream.send_all(*range(20))
        readings = [await socket.results(20) for socket in (first, second, third)]

    assert readings[0] == readings[1] == readings[2]


async def a_ping_is_answered(api: Api) -> None:
    stream = await api.shared()
    async with stream.socket(from_="now") as socket:
        assert await (await socket.opened.ping()) >= 0
