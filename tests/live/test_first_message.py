"""A socket that may bring its credential as its first message, and how long it is waited for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from streaming_runtime.core.errors import (
    InvalidParameter,
    Overloaded,
    StreamingError,
    Unauthorized,
)
from streaming_runtime.live.first_message import Carried, ClientLeft, FirstMessages

ANNOUNCED = {"authenticate": "first", "tail": "1"}
SECRET = "canary-of-a-key-2f9c"


class Socket:
    """What ASGI's ``receive`` gives: frames as they are put in."""

    def __init__(self, *texts: object) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        for text in texts:
            self.put(text if isinstance(text, str) else json.dumps(text))

    def put(self, text: str) -> None:
        self.events.put_nowait({"type": "websocket.receive", "text": text})

    async def receive(self) -> Any:
        return await self.events.get()


async def carried(
    *texts: object,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] = ANNOUNCED,
    first: FirstMessages | None = None,
) -> Carried:
    waiting = first or FirstMessages(seconds=5)
    return await waiting.carried(headers or {"origin": "null"}, query, Socket(*texts).receive)


@pytest.mark.parametrize(
    ("message", "headers", "query"),
    [
        ({"key": "k€y"}, {"x-api-key": "k€y".encode().decode("latin-1")}, {}),
        ({"token": "a.b.c"}, {"authorization": "Bearer a.b.c"}, {}),
        ({"ticket": "t"}, {}, {"ticket": "t"}),
    ],
    ids=["key", "token", "ticket"],
)
async def test_a_first_message_counts_like_a_credential_of_the_upgrade(
    message: dict[str, str], headers: dict[str, str], query: dict[str, str]
) -> None:
    found = await carried({"type": "authenticate", **message})

    assert found.headers == {"origin": "null", **headers}
    assert found.query == {**ANNOUNCED, **query}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        {"type": "send", "data": 1},
        {"type": "authenticate"},
        {"type": "authenticate", "key": ""},
        {"type": "authenticate", "key": SECRET, "ticket": SECRET},
        {"type": "authenticate", "key": SECRET, "colour": "red"},
        {"type": "authenticate", "key": 7},
        {"key": SECRET},
        json.dumps({"type": "authenticate", "key": "k" * 10_000}),
        '{"type":"authenticate","key":"\udc80"}',
    ],
)
async def test_any_other_first_message_is_refused_and_not_repeated(text: object) -> None:
    with pytest.raises(Unauthorized) as refused:
        await carried(text)

    assert SECRET not in str(refused.value)
    assert "WWW-Authenticate" in refused.value.headers


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"x-api-key": "k"}, ANNOUNCED),
        ({"authorization": "Bearer t"}, ANNOUNCED),
        ({}, {**ANNOUNCED, "ticket": "t"}),
        ({}, {}),
    ],
    ids=["key", "token", "ticket", "not announced"],
)
async def test_nobody_is_waited_for_who_brings_a_credential_or_does_not_ask_to_be(
    headers: dict[str, str], query: dict[str, str]
) -> None:
    # No message is there: to wait for one would take 5 s.
    async with asyncio.timeout(1):
        found = await FirstMessages(seconds=5).carried(headers, query, Socket().receive)

    assert found == (headers, query)


async def test_a_credential_that_does_not_come_in_time_is_refused() -> None:
    with pytest.raises(Unauthorized, match=r"within 0\.01 s"):
        await carried(first=FirstMessages(seconds=0.01))


async def test_so_many_wait_at_a_time_and_no_more() -> None:
    first, sockets = FirstMessages(most=2, seconds=5), [Socket(), Socket()]
    waiting = [
        asyncio.ensure_future(first.carried({}, ANNOUNCED, socket.receive)) for socket in sockets
    ]
    await asyncio.sleep(0)

    with pytest.raises(Overloaded):
        await carried({"type": "authenticate", "key": "k"}, first=first)
    for socket in sockets:
        socket.put('{"type":"authenticate","key":"k"}')
    await asyncio.gather(*waiting)
    found = await carried({"type": "authenticate", "key": "k"}, first=first)

    assert found.headers["x-api-key"] == "k"


async def test_each_way_to_end_a_wait_makes_room_for_another() -> None:
    first = FirstMessages(most=1, seconds=0.01)
    leaving = Socket()
    leaving.events.put_nowait({"type": "websocket.disconnect"})

    with pytest.raises(ClientLeft):
        await first.carried({}, ANNOUNCED, leaving.receive)
    for text in ("no JSON", None):
        with pytest.raises(StreamingError, match=r"first|within"):
            await carried(*(filter(None, [text])), first=first)

    assert await carried({"type": "authenticate", "key": "k"}, first=first)


async def test_an_unknown_way_to_authenticate_is_refused() -> None:
    with pytest.raises(InvalidParameter):
        await carried(query={"authenticate": "later"})
