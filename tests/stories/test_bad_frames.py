"""What comes in on a WebSocket: bad data is refused and the socket goes on, nonsense closes it."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.client import Client, frame
from tests.product import KEY
from tests.stories.refused import LARGEST, assert_only_good
from tests.stories.wire import Wire

NONCE = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


@pytest.mark.parametrize(
    "text, code",
    [
        ("{", "invalid-body"),
        ("", "invalid-body"),
        ("[]", "invalid-body"),
        ('{"type":"sing"}', "invalid-body"),
        ('{"data":1}', "invalid-body"),
        (b"\x00binary", "invalid-body"),
    ],
)
async def test_a_frame_that_is_none_closes_the_socket_with_the_reason(
    client: Client, text: str | bytes, code: str
) -> None:
    stream = await client.start()
    async with asyncio.timeout(10), client.socket(stream) as socket:
        await frame(socket)
        await socket.send(text)
        told = await frame(socket)
        await socket.wait_closed()

    assert (told["type"], told["problem"]["code"]) == ("error", code)
    assert socket.close_code == 4400


async def test_bad_data_in_a_frame_is_refused_and_the_socket_goes_on(client: Client) -> None:
    stream = await client.start()
    bad = [
        ('"more":1,"data":1', "invalid-body"),
        ('"no":"data"', "invalid-body"),
        ('"data":NaN', "invalid-body"),
        ('"data":"\\ud800"', "invalid-body"),
        ('"data":' + "[" * 101 + "]" * 101, "invalid-body"),
        ('"data":"' + "x" * (LARGEST - 1) + '"', "record-too-large"),
    ]
    async with asyncio.timeout(20), client.socket(stream) as socket:
        await frame(socket)
        for ref, (members, code) in enumerate(bad):
            await socket.send(f'{{"type":"send","ref":{ref},{members}}}')
            told = await frame(socket)
            assert (told["type"], told["ref"]) == ("error", ref)
            assert told["problem"]["code"] == code
        await socket.send('{"type":"send","data":"good"}')
        assert (await frame(socket))["type"] in ("receipt", "result")

    await assert_only_good(client, stream)


def not_json(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


async def test_a_frame_is_answered_in_json_whatever_its_ref_is(client: Client) -> None:
    stream = await client.start()
    for ref in ("NaN", "1e400", '"\\ud800"', "[" * 99 + "]" * 99, "{}", '"' + "r" * 10_000 + '"'):
        async with asyncio.timeout(10), client.socket(stream, "?from=now") as socket:
            await frame(socket)
            await socket.send(f'{{"type":"send","no":"data","ref":{ref}}}')
            text = str(await socket.recv())

        told = json.loads(text, parse_constant=not_json)
        assert (told["type"], told["problem"]["code"]) == ("error", "invalid-body")


@pytest.mark.parametrize(
    "head",
    [
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short",
        "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Sec-WebSocket-Version: 13\r\n{NONCE}\r\n{NONCE}",
        f"Sec-WebSocket-Version: 13\r\n{NONCE}\r\nContent-Length: 5",
        f"Sec-WebSocket-Version: 13\r\n{NONCE}\r\nCookie: {'x' * 9_000}",
    ],
    ids=["no key", "short key", "old version", "two keys", "body", "9 KB field"],
)
async def test_a_handshake_that_is_none_is_refused_and_closed(
    client: Client, peer: Wire, head: str
) -> None:
    stream = await client.start()
    line = f"GET /stream/{stream}/results HTTP/1.1\r\nHost: a\r\nx-api-key: {KEY}\r\n"

    await peer.say(f"{line}Connection: Upgrade\r\nUpgrade: websocket\r\n{head}\r\n\r\n".encode())
    heard = await peer.hear()

    assert (heard.status, heard.code()) == (400, "invalid-parameter")
    assert heard.headers["x-content-type-options"] == "nosniff"
    assert await peer.is_closed()
