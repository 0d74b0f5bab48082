"""Whatever stands in the data, every client's parser makes the same of the same bytes."""

from __future__ import annotations

import json
from itertools import product

from ..case import each
from ..client.api import Api
from ..client.stream import Stream
from ..oracles.clients import CLIENTS, EVENT_CLIENTS, NPM, PAGE, Client, followed
from ..oracles.following import Told
from ..oracles.served import served

LARGEST = 256 << 10
# What ends a line for some, and none by the standard; and the two that do, which JSON escapes.
LINE_ENDS = "\u2028|\u2029|\u0085|\x0b|\x0c|\x1c|\x1d|\x1e|\r|\n|\r\n|\n\n"
AS_SENT = {
    "line ends of all kinds": LINE_ENDS,
    "an event within": "\n\nevent: end\ndata: {}\n\n",
    "an id within": "\r\rid: x\r\r",
    "emoji": "🎈👩‍👩‍👧‍👦🏳️‍🌈é",
    "characters outside of text": "\x00\x01\x7f\ufeff\ufffe\uffff",
    "256 KiB": "x" * (LARGEST - 2),
    "256 KiB of emoji": "🎈" * ((LARGEST - 2) // 4),
    "256 KiB of line ends": "\u2028" * ((LARGEST - 2) // 3),
    "numbers and names": {"n": [1.5, -0.0, 1e300, 9007199254740993], "": None, "data:": ": "},
}


async def _nasty(api: Api) -> Stream:
    """Return a stream with all of these."""

    async def made() -> str:
        stream = await api.start()
        for data in AS_SENT.values():
            # As it is, but for what JSON has to escape.
            body = json.dumps({"data": data}, ensure_ascii=False).encode()
            (await stream.post(body)).ok(202)
        await stream.end()
        await stream.results(len(AS_SENT) + 1, limit=2)
        return stream.id

    return Stream(api, await api.common.once("nasty", made))


async def _bytes(api: Api) -> bytes:
    """Return the bytes of the events that our server makes of it."""

    async def read() -> bytes:
        async with (await _nasty(api)).events() as events:
            return (await events.answer()).body

    return await api.common.once("nasty bytes", read)


@each(CLIENTS)
async def a_client_gives_data_as_it_was_sent(api: Api, client: Client) -> None:
    stream = await _nasty(api)

    async with followed(client, stream) as following:
        told = await following.rest()

    found = {name: one.result()["data"] for name, one in zip(AS_SENT, told, strict=False)}
    wrong = [name for name in AS_SENT if found.get(name) != AS_SENT[name]]
    assert wrong == []
    assert told[-1].result()["kind"] == "end"


@each(EVENT_CLIENTS)
async def the_servers_bytes_are_read_the_same_however_they_are_cut(
    api: Api, client: Client
) -> None:
    async with followed(EVENT_CLIENTS["our strict parser"], await _nasty(api)) as following:
        expected = await following.rest()

    async with (
        served(await _bytes(api), seed=1) as address,
        client.follow(api, address) as following,
    ):
        told = await following.rest()

    # Not `==` for the whole: a report of 256 KiB is none.
    assert [(one.name, one.id) for one in told] == [(one.name, one.id) for one in expected]
    assert [place for place, one in enumerate(told) if one != expected[place]] == []


def _told(data: str, name: str = "message", id_: str = "1") -> Told:
    return Told(name, id_, data)


VECTORS: dict[str, tuple[str, list[Told]]] = {
    "one event": ("id: 1\ndata: a\n\n", [_told("a")]),
    "data first": ("data: a\nid: 1\n\n", [_told("a")]),
    "a name": ("id: 1\nevent: failed\ndata: a\n\n", [_told("a", "failed")]),
    "a name that is kept for one event": (
        "id: 1\nevent: end\ndata: a\n\nid: 2\ndata: b\n\n",
        [_told("a", "end"), _told("b", id_="2")],
    ),
    "a comment": (": hello\n\nid: 1\ndata: a\n\n:\n\n", [_told("a")]),
    "a comment within an event": ("id: 1\n: hello\ndata: a\n\n", [_told("a")]),
    "no space": ("id:1\ndata:a\n\n", [_told("a")]),
    "more spaces": ("id: 1\ndata:  a \n\n", [_told(" a ")]),
    "colons": ("id: 1\ndata: :a:b: c\n\n", [_told(":a:b: c")]),
    "a retry alone": ("retry: 8\n\nid: 1\ndata: a\n\n", [_told("a")]),
    "a retry within an event": ("retry: 8\nid: 1\ndata: a\n\n", [_told("a")]),
    "a bare id before": ("id: 0\n\nid: 1\ndata: a\n\n", [_told("a")]),
    "a name without data": ("event: end\n\nid: 1\ndata: a\n\n", [_told("a")]),
    "more empty lines": ("\n\n\nid: 1\ndata: a\n\n\n\n", [_told("a")]),
    "an event that is not whole": ("id: 1\ndata: a\n\nid: 2\ndata: b\n", [_told("a")]),
    "line ends that are none": (
        "id: 1\ndata: \u2028|\u2029|\u0085|\x0b|\x0c|\x1c|\x1d|\x1e\n\n",
        [_told("\u2028|\u2029|\u0085|\x0b|\x0c|\x1c|\x1d|\x1e")],
    ),
    "emoji": ("id: 1\ndata: 🎈👩‍👩‍👧‍👦é\n\n", [_told("🎈👩‍👩‍👧‍👦é")]),
    "256 KiB": (f"id: 1\ndata: {'x' * LARGEST}\n\n", [_told("x" * LARGEST)]),
    "256 KiB of emoji": (f"id: 1\ndata: {'🎈' * 65_536}\n\n", [_told("🎈" * 65_536)]),
}


@each(
    {
        f"{vector}, {name}": (*VECTORS[vector], client)
        for vector, (name, client) in product(VECTORS, EVENT_CLIENTS.items())
        if name != PAGE
    }
)
async def a_vector_is_read_as_the_standard_says(
    api: Api, body: str, expected: list[Told], client: Client
) -> None:
    """WHATWG HTML, section 9.2.6, as far as our server makes use of it."""
    async with served(body.encode(), seed=2) as address, client.follow(api, address) as following:
        told = await following.rest()

    assert len(told) == len(expected)
    assert [place for place, one in enumerate(told) if one != expected[place]] == []


@each(EVENT_CLIENTS)
async def all_vectors_in_one_body_are_read_as_the_standard_says(api: Api, client: Client) -> None:
    # The one that is not whole goes last: nothing may follow it.
    vectors = sorted(VECTORS.values(), key=lambda vector: not vector[0].endswith("\n\n"))
    body = "".join(body for body, _ in vectors).encode()
    expected = [one for _, told in vectors for one in told]

    async with served(body, seed=4) as address, client.follow(api, address) as following:
        told = await following.rest()

    assert len(told) == len(expected)
    assert [place for place, one in enumerate(told) if one != expected[place]] == []


@each({name: client for name, client in EVENT_CLIENTS.items() if name != NPM})
async def an_event_without_an_id_has_the_last_one(api: Api, client: Client) -> None:
    """npm's eventsource 4 gives an empty one there, and resumes all the same."""
    body = b"id: 1\ndata: a\n\nevent: reconnect\ndata: b\n\nid: 2\n\nevent: slow\ndata: c\n\n"
    async with served(body, seed=3) as address, client.follow(api, address) as following:
        told = await following.rest()

    assert told == [_told("a"), _told("b", "reconnect"), _told("c", "slow", "2")]
