"""The frames of a WebSocket, by hand: what RFC 6455 asks of a server, without compression."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

from ..case import each
from ..client.api import Api
from ..client.raw_socket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    NONCE,
    PING,
    PONG,
    TEXT,
    UPGRADE,
    RawSocket,
    accept_of,
    close_frame,
    frame,
    raw_socket,
    upgrade,
)
from ..target import NotThere

NORMAL, PROTOCOL_ERROR, BAD_TEXT, TOO_BIG = 1000, 1002, 1007, 1009
EURO = "€".encode()


@asynccontextmanager
async def _socket(api: Api) -> AsyncIterator[RawSocket]:
    stream = await api.shared()
    async with raw_socket(stream, query="from=now") as socket:
        await socket.told("position")
        yield socket


def _send(data: object, ref: object = 1) -> bytes:
    return json.dumps({"type": "send", "data": data, "ref": ref}, ensure_ascii=False).encode()


def _pieces(whole: bytes, places: list[int]) -> bytes:
    """Return a text message that is cut into frames at these places."""
    edges = [0, *places, len(whole)]
    parts = [whole[begin:end] for begin, end in pairwise(edges)]
    return b"".join(
        frame(TEXT if place == 0 else CONTINUATION, part, fin=place == len(parts) - 1)
        for place, part in enumerate(parts)
    )


async def the_handshake_is_answered_with_the_hash_of_its_nonce(api: Api) -> None:
    stream = await api.shared()
    async with raw_socket(stream) as socket:
        headers = socket.answer.headers

    assert headers["sec-websocket-accept"] == accept_of(NONCE)
    assert headers["upgrade"].lower() == "websocket"
    assert headers["connection"].lower() == "upgrade"
    assert "sec-websocket-protocol" not in headers


@each(
    {
        "in other capitals": {"Connection": "UPGRADE", "Upgrade": "WebSocket"},
        "among other words": {"Connection": "keep-alive, Upgrade"},
        "with extensions": {"Sec-WebSocket-Extensions": "permessage-deflate; server_no_context"},
        "with a subprotocol": {"Sec-WebSocket-Protocol": "chat, superchat"},
    }
)
async def a_handshake_may_be_worded(api: Api, fields: dict[str, str]) -> None:
    stream = await api.shared()
    async with raw_socket(stream, fields, "from=now") as socket:
        assert "sec-websocket-extensions" not in socket.answer.headers
        assert await socket.told("position")


@each(
    {
        "no key": {"Sec-WebSocket-Key": ""},
        "a short key": {"Sec-WebSocket-Key": "short"},
        "a long key": {"Sec-WebSocket-Key": NONCE * 2},
        "a key that is no base 64": {"Sec-WebSocket-Key": "!" * 24},
        "version 8": {"Sec-WebSocket-Version": "8"},
        "version 14": {"Sec-WebSocket-Version": "14"},
        "no version": {"Sec-WebSocket-Version": ""},
        "a body": {"Content-Length": "5"},
    }
)
async def a_handshake_that_is_none_is_refused_and_closed(api: Api, fields: dict[str, str]) -> None:
    api.target.has("websocket")
    stream = await api.shared()
    merged = {name: value for name, value in {**UPGRADE, **fields}.items() if value}
    async with api.wire() as wire:
        answer = await wire.ask(upgrade(stream, merged))

        answer.refused("invalid-parameter")
        assert await wire.is_closed()


@each({str(size): size for size in (0, 1, 124, 125, 126, 127, 65_535, 65_536, 200_000)})
async def a_message_of_any_length_is_read(api: Api, size: int) -> None:
    async with _socket(api) as socket:
        await socket.say(frame(TEXT, _send("x" * size)))

        assert (await socket.told("receipt", "error"))["type"] == "receipt"


@each({"in 2": 1, "in 3": 2, "in 20": 19})
async def a_message_may_come_in_fragments(api: Api, cuts: int) -> None:
    stream, chance, data = await api.start(), random.Random(cuts), "€ and 👩‍👩‍👧 " * 40
    whole = _send(data)
    async with raw_socket(stream) as socket:
        # Also within a character: only the whole message has to be text.
        await socket.say(_pieces(whole, sorted(chance.sample(range(len(whole)), cuts))))

        assert (await socket.told("result"))["data"] == data


async def a_fragment_may_be_empty(api: Api) -> None:
    whole = _send("in the middle")
    async with _socket(api) as socket:
        await socket.say(_pieces(whole, [0, 0, 9, 9, len(whole)]))

        assert (await socket.told("receipt", "error"))["type"] == "receipt"


async def a_message_may_come_byte_by_byte(api: Api) -> None:
    async with _socket(api) as socket:
        for byte in frame(TEXT, _send("slow")):
            await socket.say(bytes([byte]))
            await asyncio.sleep(0)

        assert (await socket.told("receipt", "error"))["type"] == "receipt"


async def many_messages_may_come_in_one_packet(api: Api) -> None:
    async with _socket(api) as socket:
        await socket.say(b"".join(frame(TEXT, _send(n, n)) for n in range(50)))
        refs = [(await socket.told("receipt", "error"))["ref"] for _ in range(50)]

    assert refs == list(range(50))


async def a_ping_between_fragments_is_answered_before_the_message(api: Api) -> None:
    whole = _send("cut")
    async with _socket(api) as socket:
        await socket.say(frame(TEXT, whole[:9], fin=False) + frame(PING, b"between"))
        assert await socket.of(PONG) == b"between"
        await socket.say(frame(CONTINUATION, whole[9:]))

        assert (await socket.told("receipt", "error"))["type"] == "receipt"


@each({"nothing": b"", "bytes": b"\x00\xff\xfe", "125 bytes": b"p" * 125})
async def a_pong_carries_what_its_ping_carried(api: Api, payload: bytes) -> None:
    async with _socket(api) as socket:
        await socket.say(frame(PING, payload))

        assert await socket.of(PONG) == payload


async def pings_are_answered_in_their_order(api: Api) -> None:
    payloads = [b"%d" % number for number in range(10)]
    async with _socket(api) as socket:
        await socket.say(b"".join(frame(PING, payload) for payload in payloads))

        assert [await socket.of(PONG) for _ in payloads] == payloads


async def a_pong_that_nobody_asked_for_is_passed_over(api: Api) -> None:
    async with _socket(api) as socket:
        await socket.say(frame(PONG, b"unasked") + frame(PONG) + frame(PING, b"asked"))

        assert await socket.of(PONG) == b"asked"


BROKEN = {f"the opcode {opcode}": frame(opcode) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)}
BROKEN |= {f"the reserved bits {bits:03b}": frame(TEXT, b"{}", reserved=bits) for bits in (1, 2, 4)}
BROKEN |= {
    "a reserved bit on a ping": frame(PING, reserved=4),
    "a reserved bit on a close": frame(CLOSE, reserved=4),
    "a message without a mask": frame(TEXT, _send(1), is_masked=False),
    "a ping without a mask": frame(PING, b"p", is_masked=False),
    "a ping of 126 bytes": frame(PING, b"p" * 126),
    "a pong of 126 bytes": frame(PONG, b"p" * 126),
    "a close of 126 bytes": frame(CLOSE, b"\x03\xe8" + b"r" * 124),
    "a ping in fragments": frame(PING, b"p", fin=False),
    "a close in fragments": frame(CLOSE, fin=False),
    "a continuation of nothing": frame(CONTINUATION, b"{}"),
    "a continuation behind a whole message": frame(TEXT, _send(1)) + frame(CONTINUATION, b"{}"),
    "a message within a message": frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"),
    "bytes within a message": frame(TEXT, b"{", fin=False) + frame(BINARY, b"}"),
    "half a close code": frame(CLOSE, b"\x03"),
}
BROKEN |= {
    f"the close code {code}": close_frame(code)
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
}


@each(BROKEN)
async def what_breaks_the_protocol_is_closed_with_1002(api: Api, sent: bytes) -> None:
    async with _socket(api) as socket:
        await socket.say(sent)

        assert await socket.close_code() == PROTOCOL_ERROR


BAD = {
    "a lone byte": b"\x80",
    "a character cut off": EURO[:2],
    "too long a form": b"\xc0\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "above U+10FFFF": b"\xf4\x90\x80\x80",
    "latin-1": "é".encode("latin-1"),
}


@each(BAD)
async def a_text_that_is_none_is_closed_with_1007(api: Api, bad: bytes) -> None:
    async with _socket(api) as socket:
        await socket.say(frame(TEXT, b'{"type":"send","data":"' + bad + b'"}'))

        assert await socket.close_code() == BAD_TEXT


async def a_text_that_is_none_over_its_fragments_is_closed_with_1007(api: Api) -> None:
    async with _socket(api) as socket:
        await socket.say(frame(TEXT, b'{"ref":"' + EURO[:2], fin=False))
        await socket.say(frame(CONTINUATION, b'"}'))

        assert await socket.close_code() == BAD_TEXT


async def a_close_reason_that_is_no_text_is_closed_with_1007(api: Api) -> None:
    async with _socket(api) as socket:
        await socket.say(close_frame(NORMAL, b"\xff\xfe"))

        assert await socket.close_code() in (PROTOCOL_ERROR, BAD_TEXT)


CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999)


@each({str(code): code for code in CODES})
async def a_close_is_answered_with_its_code(api: Api, code: int) -> None:
    async with _socket(api) as socket:
        await socket.say(close_frame(code, "going €".encode()))

        assert await socket.close_code() == code


async def a_close_without_a_code_is_answered(api: Api) -> None:
    async with _socket(api) as socket:
        await socket.say(frame(CLOSE))

        assert await socket.close_code() in (None, NORMAL)


async def a_close_may_have_a_reason_of_123_bytes(api: Api) -> None:
    async with _socket(api) as socket:
        await socket.say(close_frame(NORMAL, b"r" * 123))

        assert await socket.close_code() == NORMAL


async def a_close_within_a_message_is_answered(api: Api) -> None:
    async with _socket(api) as socket:
        await socket.say(frame(TEXT, b"{", fin=False) + close_frame(NORMAL))

        # Allowed between fragments like any control frame; some libraries call it a break.
        assert await socket.close_code() in (NORMAL, PROTOCOL_ERROR)


async def what_comes_behind_a_close_is_not_read(api: Api) -> None:
    stream = await api.start()
    async with raw_socket(stream) as socket:
        await socket.told("position")
        await socket.say(close_frame(NORMAL) + frame(TEXT, _send("too late")) + frame(PING))
        assert await socket.close_code() == NORMAL

    await stream.send("after it")
    assert [result["data"] for result in await stream.results(1)] == ["after it"]


async def what_came_before_a_break_is_stored(api: Api) -> None:
    """A receipt, or a result, is there for each message before it."""
    stream = await api.start()
    async with raw_socket(stream) as socket:
        await socket.told("position")
        await socket.say(frame(TEXT, _send("whole")))
        assert (await socket.told("receipt", "error"))["type"] == "receipt"
        await socket.say(frame(3))
        assert await socket.close_code() == PROTOCOL_ERROR

    assert [result["data"] for result in await stream.results(1)] == ["whole"]


@each({"400 KiB": 400 << 10, "1 GiB": 1 << 30, "2 to the 62": 1 << 62})
async def an_announced_length_above_the_limit_is_closed_before_it_comes(
    api: Api, announced: int
) -> None:
    async with _socket(api) as socket:
        await socket.say(frame(TEXT, b"{", announced=announced))

        assert await socket.close_code() in (TOO_BIG, PROTOCOL_ERROR)


async def fragments_above_the_limit_are_closed_with_1009(api: Api) -> None:
    async with _socket(api) as socket:
        await socket.say(frame(TEXT, b"x" * (100 << 10), fin=False))
        for _ in range(3):
            await socket.say(frame(CONTINUATION, b"x" * (100 << 10), fin=False))

        assert await socket.close_code() == TOO_BIG


async def fragments_without_end_are_closed(api: Api) -> None:
    """A message of very many empty fragments has no size and costs memory all the same."""
    async with _socket(api) as socket:
        await socket.say(frame(TEXT, b"{", fin=False))
        await socket.say(frame(CONTINUATION, b"", fin=False) * 200_000)

        assert await socket.close_code() in (TOO_BIG, PROTOCOL_ERROR)


async def bytes_are_closed_with_4400(api: Api) -> None:
    """a frame that is not JSON or has no such `type` closes it"""
    async with _socket(api) as socket:
        await socket.say(frame(BINARY, b"", fin=False) + frame(CONTINUATION, _send(1)))

        assert await socket.close_code() == 4400


async def a_peer_that_vanishes_within_a_frame_leaves_nothing_behind(api: Api) -> None:
    stream = await api.start()
    async with raw_socket(stream) as socket:
        await socket.say(frame(TEXT, _send("never whole"))[:-5])
    await stream.send("after it")

    assert [result["data"] for result in await stream.results(1)] == ["after it"]


async def autobahns_fuzzing_client_finds_nothing(api: Api) -> None:
    del api
    raise NotThere("Autobahn wants an endpoint that echoes frames; its cases stand in frames.py")
