"""A socket brings its credential as its first message: no URL holds it, and nothing is sent before.

It is announced by ``?authenticate=first``; a socket that brings nothing and does not is refused.
"""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from streaming_runtime.live.first_message import WAIT_SECONDS
from tests.client import Client, Json, frame
from tests.product import KEY

WRONG = "canary-of-a-wrong-key-71"


def bare(client: Client, stream: str, query: str = "?authenticate=first") -> connect:
    """Return a socket without any credential, as a browser's is."""
    address = client.url.replace("http", "ws", 1)
    url = f"{address}/stream/{stream}/results{query}"
    return connect(url, compression=None, proxy=None)


async def refused(socket: ClientConnection) -> tuple[Json, int]:
    """Return the problem that a socket was closed with, and its code."""
    told = await frame(socket)
    with pytest.raises(ConnectionClosed) as closed:
        await socket.recv()
    assert closed.value.rcvd is not None
    return told["problem"], closed.value.rcvd.code


async def test_a_key_as_the_first_message_opens_a_socket_in_both_directions(
    client: Client,
) -> None:
    stream = await client.start()
    async with asyncio.timeout(20), bare(client, stream) as socket:
        await socket.send(json.dumps({"type": "authenticate", "key": KEY}))
        opening = await frame(socket)
        await socket.send(json.dumps({"type": "send", "data": 1, "ref": "a"}))
        told = [await frame(socket) for _ in range(2)]

    assert opening["type"] == "position"
    assert {one["type"] for one in told} == {"receipt", "result"}


async def test_a_ticket_as_the_first_message_is_used_up_like_one_in_the_url(
    client: Client,
) -> None:
    stream = await client.start()
    made = await client.http.post(f"/stream/{stream}/ticket", json={"use": "websocket"})
    message = json.dumps({"type": "authenticate", "ticket": made.json()["ticket"]})

    async with asyncio.timeout(20):
        async with bare(client, stream) as socket:
            await socket.send(message)
            assert (await frame(socket))["type"] == "position"
        async with bare(client, stream) as socket:
            await socket.send(message)
            problem, code = await refused(socket)

    assert (problem["code"], code) == ("unauthorized", 4401)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "authenticate", "key": WRONG},
        {"type": "authenticate", "ticket": WRONG},
        {"type": "authenticate", "token": WRONG},
        {"type": "send", "data": WRONG},
    ],
    ids=["key", "ticket", "token", "a send"],
)
async def test_a_wrong_first_message_closes_the_socket_and_is_nowhere_repeated(
    client: Client, message: Json
) -> None:
    stream = await client.start()
    async with asyncio.timeout(20), bare(client, stream) as socket:
        await socket.send(json.dumps(message))
        problem, code = await refused(socket)

    assert (problem["code"], code) == ("unauthorized", 4401)
    assert WRONG not in json.dumps(problem)


async def test_a_socket_that_stays_silent_hears_nothing_and_is_closed_in_time(
    client: Client,
) -> None:
    stream = await client.start()
    clock = asyncio.get_running_loop().time
    async with asyncio.timeout(20), bare(client, stream) as socket:
        began = clock()
        problem, code = await refused(socket)

    assert clock() - began > WAIT_SECONDS - 1
    assert (problem["code"], code) == ("unauthorized", 4401)


async def test_a_socket_without_a_credential_is_refused_at_once_unless_it_announces_one(
    client: Client,
) -> None:
    stream = await client.start()
    async with asyncio.timeout(WAIT_SECONDS - 1), bare(client, stream, "") as socket:
        problem, code = await refused(socket)

    assert (problem["code"], code) == ("unauthorized", 4401)


async def test_a_key_of_the_upgrade_counts_and_no_message_is_waited_for(client: Client) -> None:
    stream = await client.start()
    async with (
        asyncio.timeout(WAIT_SECONDS - 1),
        client.socket(stream, "?authenticate=first") as socket,
    ):
        assert (await frame(socket))["type"] == "position"
