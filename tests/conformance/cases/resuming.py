"""Order, and resuming: whatever is cut, nothing is missed, repeated or turned round."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

from ..case import each
from ..client.api import EVENT_STREAM, Api
from ..client.event_bytes import EventBytes
from ..client.stream import Stream
from ..client.strict_json import Json
from ..target import NotThere

RECORDS = 60
Turn = Callable[[Stream, "Reading", random.Random], Awaitable[None]]


class Reading:
    """What a client has: the results it saw, and the last position it was told."""

    def __init__(self) -> None:
        self.results: list[Json] = []
        self.at: str | None = None

    @property
    def place(self) -> dict[str, Any]:
        return {} if self.at is None else {"cursor": self.at}


async def _filled(api: Api, count: int = RECORDS) -> Stream:
    stream = await api.start()
    chance = random.Random(count)
    records = [{"data": {"n": n, "pad": "é" * chance.randrange(300)}} for n in range(count)]
    assert (await stream.post(json.dumps(records).encode())).status == 207
    return stream


async def _events(stream: Stream, reading: Reading, chance: random.Random) -> None:
    """Read events up to a random byte, and vanish."""
    left = chance.randrange(200, 8_000)
    async with stream.events(at=reading.at) as events:
        parser = EventBytes()
        while left > 0 and len(reading.results) < RECORDS:
            piece = (await events.piece())[:left]
            left -= len(piece)
            for event in parser.feed(piece):
                reading.at = event.id
                if event.data:
                    reading.results.append(event.json())


async def _lines(stream: Stream, reading: Reading, chance: random.Random) -> None:
    left, rest = chance.randrange(200, 8_000), b""
    async with stream.events(accept="application/x-ndjson", **reading.place) as opened:
        while left > 0 and len(reading.results) < RECORDS:
            piece = (await opened.piece())[:left]
            left -= len(piece)
            *lines, rest = (rest + piece).split(b"\n")
            for line in filter(None, lines):
                found = json.loads(line)
                reading.at = found.get("id") or found.get("cursor") or reading.at
                if "control" not in found:
                    reading.results.append(found)


async def _pages(stream: Stream, reading: Reading, chance: random.Random) -> None:
    page = await stream.page(limit=chance.randrange(1, 12), wait=5, **reading.place)
    reading.results += page["results"]
    reading.at = page["cursor"]


async def _socket(stream: Stream, reading: Reading, chance: random.Random) -> None:
    async with stream.socket(**reading.place) as socket:
        for _ in range(chance.randrange(1, 12)):
            if len(reading.results) >= RECORDS:
                return
            frame = await socket.frame()
            reading.at = frame.get("id") or frame.get("cursor") or reading.at
            if frame["type"] == "result":
                frame.pop("type")
                reading.results.append(frame)
        socket.opened.transport.abort()


def _check(reading: Reading) -> None:
    numbers = [result["data"]["n"] for result in reading.results]
    assert numbers == list(range(RECORDS))
    offsets = [int(result["source"].split("-")[1]) for result in reading.results]
    assert offsets == sorted(set(offsets))


FORMS: dict[str, Turn] = {"events": _events, "lines": _lines, "pages": _pages, "socket": _socket}


@each({f"{name}, {seed}": (turn, seed) for name, turn in FORMS.items() for seed in (1, 2)})
async def a_reader_cut_at_any_byte_misses_and_repeats_nothing(
    api: Api, turn: Turn, seed: int
) -> None:
    stream, reading, chance = await _filled(api), Reading(), random.Random(seed)

    while len(reading.results) < RECORDS:
        await turn(stream, reading, chance)

    _check(reading)


@each({str(seed): seed for seed in (3, 4, 5)})
async def a_reader_may_change_its_form_at_every_cut(api: Api, seed: int) -> None:
    """The same cursor works on SSE, WebSocket, NDJSON, JSON."""
    stream, reading, chance = await _filled(api), Reading(), random.Random(seed)
    turns = [turn for name, turn in FORMS.items() if f"web{name}" not in api.target.without]

    while len(reading.results) < RECORDS:
        await chance.choice(turns)(stream, reading, chance)

    _check(reading)


async def a_reader_that_is_cut_while_others_send_misses_nothing(api: Api) -> None:
    stream, reading, chance = await api.start(), Reading(), random.Random(6)

    async def send() -> None:
        for number in range(RECORDS):
            await stream.send({"n": number, "pad": "x" * chance.randrange(300)})

    sending = asyncio.ensure_future(send())
    while len(reading.results) < RECORDS:
        await chance.choice([_events, _lines, _pages])(stream, reading, chance)
    await sending

    _check(reading)


async def a_limit_over_many_cuts_is_that_limit(api: Api) -> None:
    stream = await _filled(api)
    await stream.results(RECORDS)
    seen: list[int] = []
    at: str | None = None
    query: dict[str, Any] = {"limit": 10}
    while True:
        async with stream.events(at=at, **query) as events:
            if events.status == 204:
                break
            event = await events.must()
            if not event.data:
                event = await events.next() or event
            at = event.id
            if event.data:
                seen.append(event.json()["data"]["n"])

    assert seen == list(range(10))


async def every_form_gives_the_same_results_in_the_same_order(api: Api) -> None:
    """JSON, NDJSON, SSE and WebSocket give the same sequence."""
    stream = await api.start(processor={"name": "reject", "when": "bad"})
    for number in range(20):
        await stream.send({"n": number, "bad": number % 5 == 4})
    await stream.end()

    by_page = await stream.results(21)
    async with stream.events() as events, stream.lines() as lines:
        by_event = [event.json() for event in await events.rest() if event.data]
        by_line = [line for line in await lines.rest() if "control" not in line]
    assert by_page == by_event == by_line
    if "websocket" not in api.target.without:
        async with stream.socket() as socket:
            assert await socket.results(21) == by_page


async def readers_at_any_time_see_the_same_order(api: Api) -> None:
    """all readers see the same first one"""
    stream = await api.start()

    async def send(sender: int) -> None:
        for number in range(15):
            await stream.send([sender, number])

    async with stream.events() as early, stream.lines() as beside:
        await asyncio.gather(*map(send, range(4)))
        live, lines = await early.results(60), await beside.results(60)
    later = await stream.results(60)

    assert live == lines == later
    for sender in range(4):
        own = [result["data"][1] for result in live if result["data"][0] == sender]
        assert own == list(range(15))


async def what_was_acknowledged_before_comes_before(api: Api) -> None:
    stream = await api.start()
    await stream.send("record")
    await stream.post(b'[{"data":"array 1"},{"data":"array 2"}]')
    lines = b'{"data":"line 1"}\n{"data":"line 2"}'
    await stream.post(lines, content_type="application/x-ndjson")
    await stream.post(b'{"data":"waited"}', prefer="wait=20")

    data = [result["data"] for result in await stream.results(6)]

    assert data == ["record", "array 1", "array 2", "line 1", "line 2", "waited"]


async def streams_do_not_mix(api: Api) -> None:
    streams = [await api.start() for _ in range(12)]
    for number in range(5):
        await asyncio.gather(*(stream.send([stream.id, number]) for stream in streams))

    for stream in streams:
        results = await stream.results(5)
        assert [result["data"] for result in results] == [[stream.id, n] for n in range(5)]
        assert {result["stream_id"] for result in results} == {stream.id}


async def a_reader_goes_to_another_server_with_its_cursor(api: Api) -> None:
    """Any replica serves any client: its position is in the cursor it holds."""
    if api.target.limited_url is None:
        raise NotThere("no second server of the deployment was named (LIMITED_URL)")
    tenant = api.with_key(api.target.limited_keys[1])
    stream = await tenant.start()
    await stream.send_all("a", "b", "c")
    at = await stream.cursor(behind=1)
    elsewhere = stream.seen_by(tenant.with_key(tenant.key, api.target.limited_url))
    async with asyncio.timeout(40):
        while True:
            async with elsewhere.events(at=at, accept=EVENT_STREAM) as events:
                event = await events.must()
                if event.name != "error":
                    results = await events.results(2)
                    break
            await asyncio.sleep(1.5)

    assert [result["data"] for result in results] == ["b", "c"]


async def a_result_has_one_id_and_one_source(api: Api) -> None:
    stream = await _filled(api)

    results = await stream.results(RECORDS)

    assert len({result["id"] for result in results}) == RECORDS
    assert len({result["source"] for result in results}) == RECORDS
