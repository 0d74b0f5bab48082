"""Clients that others wrote follow a stream: each gives its user the same, whatever is cut."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from ..case import each, waits
from ..client.answer import check_problem
from ..client.api import UNKNOWN, Api
from ..client.stream import Stream
from ..oracles.clients import (
    CLIENTS,
    EVENT_SOURCES,
    NPM,
    PAGE,
    Client,
    followed,
    ticket_for,
)
from ..oracles.cutting import cutting
from ..oracles.following import Told
from ..target import NotThere

RECORDS = 90
CUTS = 24
SENT_LIVE, CUTS_LIVE = 40, 10
QUIET_SECONDS = 0.5
SPOKEN_SECONDS = 30.0
# A timer may fire a little early by another clock, and late on a busy machine.
EARLY_SECONDS, LATE_SECONDS = 0.05, 5.0


def _seeded(clients: Mapping[str, Client]) -> dict[str, tuple[Client, int]]:
    return {name: (client, seed) for seed, (name, client) in enumerate(clients.items())}


async def _long(api: Api) -> Stream:
    """Return the one stream that all read: results, failed ones among them, and the end."""

    async def made() -> str:
        stream = await api.start(processor={"name": "reject", "when": "bad"})
        chance = random.Random(RECORDS)
        records = [
            {"data": {"n": n, "bad": n % 10 == 7, "pad": "é\u2028🎈\r\n" * chance.randrange(60)}}
            for n in range(RECORDS)
        ]
        assert (await stream.post(json.dumps(records).encode())).status == 207
        await stream.end()
        await stream.results(RECORDS + 1)
        return stream.id

    return Stream(api, await api.common.once("long", made))


async def _told_in_one_go(api: Api) -> list[Told]:
    """Return what our own strict parser makes of that stream where nothing is cut."""

    async def read() -> list[Told]:
        async with (await _long(api)).events() as events:
            told = await events.rest()
        return [Told(event.name, event.id, event.data) for event in told if event.data]

    return await api.common.once("long read", read)


@each(CLIENTS)
async def a_client_follows_results_as_they_come(api: Api, client: Client) -> None:
    stream = await api.start()
    async with followed(client, stream, from_="start") as following:
        await following.opened()
        for number in range(10):
            await stream.send(number)
            [told] = await following.take(1)
            assert told.result()["data"] == number


async def an_event_source_with_a_ticket_needs_no_key(api: Api) -> None:
    stream = await api.start()
    await stream.send(1)
    ticket = await ticket_for(stream)
    keyless = stream.seen_by(api.with_key(""))
    async with followed(EVENT_SOURCES[NPM], keyless, ticket=ticket) as following:
        [told] = await following.take(1)

    assert told.result()["data"] == 1


@each(_seeded(CLIENTS))
async def a_client_cut_at_any_byte_gives_all_once_and_stops_at_the_end(
    api: Api, client: Client, seed: int
) -> None:
    """Names, ids and data are those that every other client gives."""
    stream, expected = await _long(api), await _told_in_one_go(api)

    async with (
        cutting(api.url, seed, cuts=CUTS) as network,
        followed(client, stream, network) as following,
    ):
        told = await following.rest()

    assert [one.id for one in told] == [one.id for one in expected]
    assert [one.result() for one in told] == [one.result() for one in expected]
    if client.is_socket:
        assert [one.name for one in told] == [one.result()["kind"] for one in expected]
    else:
        assert told == expected
    assert len(network.cut_at) == CUTS
    assert following.code == client.ended


@each(_seeded(CLIENTS))
async def a_client_that_is_cut_while_others_send_misses_nothing(
    api: Api, client: Client, seed: int
) -> None:
    stream, chance = await api.start(), random.Random(seed)

    async def send() -> None:
        for number in range(SENT_LIVE):
            await stream.send({"n": number, "pad": "x" * chance.randrange(600)})

    async with (
        cutting(api.url, seed, cuts=CUTS_LIVE) as network,
        followed(client, stream, network) as following,
    ):
        sending = asyncio.ensure_future(send())
        told = await following.take(SENT_LIVE)
        await sending

    assert [one.result()["data"]["n"] for one in told] == list(range(SENT_LIVE))
    assert network.cut_at


@each({name: client for name, client in CLIENTS.items() if name != NPM})
async def a_client_that_is_cut_before_its_first_result_misses_nothing(
    api: Api, client: Client
) -> None:
    """a bare `id:` comes with the first bytes, so a reader that drops … resumes all the same

    npm's eventsource 4 takes an id from events with data alone; 5 does not, and wants Node 22.
    """
    stream = await api.start()
    await stream.send("before")
    await stream.results(1)
    async with (
        cutting(api.url) as network,
        followed(client, stream, network, from_="now") as following,
    ):
        await following.opened()
        # The first bytes are told to nobody, so how far the client is can only be guessed.
        await asyncio.wait_for(network.has_spoken.wait(), SPOKEN_SECONDS)
        await asyncio.sleep(QUIET_SECONDS)
        await network.go_down()
        await stream.send("meanwhile")
        await stream.results(2)
        network.is_down = False
        [told] = await following.take(1)

    assert told.result()["data"] == "meanwhile"


@each(EVENT_SOURCES)
async def an_event_source_comes_back_once_behind_the_end_and_never_again(
    api: Api, client: Client
) -> None:
    """a reader past the end gets 204"""
    stream = await api.start()
    await stream.send(1)
    await stream.end()
    async with (
        cutting(api.url) as network,
        followed(client, stream, network) as following,
    ):
        told = await following.rest()
        await asyncio.sleep(QUIET_SECONDS)

    assert [one.name for one in told] == ["message", "end"]
    assert (following.times_opened, len(network.begun)) == (1, 2)


FINAL = {
    f"{status} for {name}": (EVENT_SOURCES[name], status)
    for name, statuses in ((NPM, (400, 401, 404)), (PAGE, (400, 401)))
    for status in statuses
}


@each(FINAL)
async def an_event_source_gives_up_on(api: Api, client: Client, status: int) -> None:
    """204 and what the client did wrong (400, 401, 403, 404, 406) stay what they are"""
    stream = Stream(api, UNKNOWN) if status == 404 else await api.start()
    query = {"cursor": "nonsense"} if status == 400 else {}
    wrong = "" if status != 401 else "wrong"
    async with (
        cutting(api.url) as network,
        followed(client, stream, network, key=wrong, **query) as following,
    ):
        told = await following.rest()
        await asyncio.sleep(QUIET_SECONDS)

    assert told == []
    assert (following.times_opened, len(network.begun)) == (0, 1)
    assert following.code == (status if client.ended else None)


@asynccontextmanager
async def _used_up(api: Api) -> AsyncIterator[Callable[[], object]]:
    """Leave nothing of a limit, however fast it fills again, until told to stop."""

    stopped = asyncio.Event()

    async def ask() -> None:
        while not stopped.is_set():
            await asyncio.gather(*(api.get("/streams") for _ in range(4)))

    asking = asyncio.ensure_future(ask())
    try:
        yield stopped.set
    finally:
        stopped.set()
        await asking


@each({NPM: (EVENT_SOURCES[NPM], 12), PAGE: (EVENT_SOURCES[PAGE], 13)})
async def an_event_source_at_the_limit_comes_back_by_itself(
    api: Api, client: Client, number: int
) -> None:
    """limits answer 200, a jittered `retry:`, `event: error`, close"""
    keys = api.target.limited_keys
    if api.target.limited_url is None or number >= len(keys):
        raise NotThere("no server with small limits, or too few keys (LIMITED_URL, LIMITED_KEYS)")
    limited = api.with_key(keys[number], api.target.limited_url)
    stream = await limited.start()
    await stream.send("behind the limit")
    async with asyncio.timeout(60), cutting(limited.url, is_hasty=False) as network:
        told = [Told("message", "", "")]
        while told[0].name != "error":
            async with (
                _used_up(limited) as stop,
                followed(client, stream, network) as following,
            ):
                # One that came in all the same was lucky: once again.
                told = await following.take(1)
                stop()
                while told[-1].name == "error":
                    told += await following.take(1)

    for refused in told[:-1]:
        assert check_problem(json.loads(refused.data), "rate-limited")["retriable"] is True
    assert told[-1].result()["data"] == "behind the limit"
    assert following.times_opened == len(told)


@each(_seeded(CLIENTS))
async def a_client_is_told_of_a_gap_once(api: Api, client: Client, seed: int) -> None:
    """exactly one `gap` event, then everything that still exists: never silence"""
    lost = api.target.lost
    if lost is None:
        raise NotThere("no stream whose oldest results were removed was prepared (LOST)")
    stream = Stream(api, lost.stream_id)
    problem = (await stream.ask_page(cursor=lost.cursor)).refused("position-gone")
    exists = (await stream.page(cursor=problem["earliest"]))["results"]
    async with (
        cutting(api.url, seed, cuts=4) as network,
        followed(client, stream, network, cursor=lost.cursor) as following,
    ):
        gap, *results = await following.take(1 + len(exists))

    assert gap.name == "gap"
    assert gap.result()["requested"] == lost.cursor
    assert [one.result()["data"] for one in results] == [one["data"] for one in exists]
    assert results


@waits
@each({name: EVENT_SOURCES[name] for name in (NPM, PAGE)})
async def an_event_source_waits_as_long_as_it_is_told(api: Api, client: Client) -> None:
    stream, expected = await _long(api), await _told_in_one_go(api)

    async with (
        cutting(api.url, cuts=1, is_hasty=False) as network,
        followed(client, stream, network) as following,
    ):
        assert await following.take(len(expected)) == expected

    waited, wanted = network.begun[1] - network.cut_at[0], network.retries[0] / 1_000
    assert wanted - EARLY_SECONDS <= waited <= wanted + LATE_SECONDS
