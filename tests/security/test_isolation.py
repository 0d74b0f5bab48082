"""A foreign stream cannot be told from none: every operation, credential and id there is."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from streaming_runtime.core.model import new_stream_id
from tests.eventually import until
from tests.security.credentials import KINDS, OURS, THEIRS, Carried, Kind, World
from tests.security.documented import Asked, document_of, requests_of
from tests.stories.wire import Heard, Wire, request, wire

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What is each answer's own.
OWN = ("x-request-id", "date", "ratelimit", "retry-after")
ROUNDS = 150
MOST_APART = 1.3
# Standard deviations: by chance once in 15,000 runs, and then the medians would agree.
SIGNIFICANT = 4.0


class Told(NamedTuple):
    """All that an answer tells its reader."""

    status: int
    names: frozenset[str]
    headers: dict[str, str]
    body: dict[str, Any]


def told(heard: Heard) -> Told:
    headers = {name: value for name, value in heard.headers.items() if name not in OWN}
    body: dict[str, Any] = json.loads(heard.body) if heard.body else {}
    body.pop("request_id", None)
    return Told(heard.status, frozenset(heard.headers), headers, body)


def foreign_ids(foreign: str) -> list[str]:
    """Return ids that are not the caller's: that of a stream there is, and some of none."""
    return [
        foreign,
        foreign[:-1],
        foreign + "A",
        foreign.swapcase(),
        foreign[:-1] + "%00",
        "x",
        "%E2%80%A8",
        "..",
        "a" * 300,
        f"{foreign}%0d%0aX-Injected:1",
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_every_answer_about_a_foreign_stream_is_one_about_none(
    world: World, kind: Kind
) -> None:
    asked = requests_of(await document_of(world.api.url), is_about_a_stream=True)
    carried = await kind.carried(world, OURS)
    assert len(asked) > 15
    async with wire(world.api.url) as peer:
        for one in asked:
            none = told(await peer.ask(one.bytes_for(new_stream_id(), carried)))
            assert none.status == kind.refused, f"{one}: {none}"
            for foreign in foreign_ids(world.streams[THEIRS]):
                found = told(await peer.ask(one.bytes_for(foreign, carried)))
                assert found == none, f"{one} of {foreign}"


async def test_what_was_asked_has_changed_nothing(world: World) -> None:
    stream = world.streams[THEIRS]
    async with world.client(THEIRS) as them:
        before = (await them.http.get(f"/stream/{stream}")).json(), await them.page(stream)
        asked = requests_of(await document_of(world.api.url), is_about_a_stream=True)
        async with wire(world.api.url) as peer:
            for kind in KINDS:
                carried = await kind.carried(world, OURS)
                for one in asked:
                    await peer.ask(one.bytes_for(stream, carried))
        own = await them.send(stream, "the next")
        results = await until(partial(them.page, stream), lambda page: len(page["results"]) == 2)
        after = (await them.http.get(f"/stream/{stream}")).json(), await them.page(stream)

    assert before[0] == after[0]
    assert before[0]["ended_at"] is None
    assert [result["source"] for result in results["results"]][-1] == own["record_id"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_the_same_credential_opens_its_own_stream_or_none(world: World, kind: Kind) -> None:
    asked = Asked("GET", "/stream/{stream_id}/results", accept="application/json")
    carried = await kind.carried(world, OURS)
    async with wire(world.api.url) as peer:
        heard = await peer.ask(asked.bytes_for(world.streams[OURS], carried))

    assert heard.status == (200 if kind.is_good else 401)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_operations_without_a_stream_show_a_tenant_its_own(world: World, kind: Kind) -> None:
    asked = requests_of(await document_of(world.api.url), is_about_a_stream=False)
    carried = await kind.carried(world, OURS)
    answers = []
    async with wire(world.api.url) as peer:
        for one in asked:
            answers.append(await peer.ask(one.bytes_for("", carried)))

    # Tickets are for one stream, so they open nothing that is about none.
    is_refused = kind.refused == 401
    assert {heard.status == 401 for heard in answers} == {is_refused}
    assert not any(world.streams[THEIRS].encode() in heard.body for heard in answers)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_a_foreign_socket_is_refused_as_one_for_nothing(world: World, kind: Kind) -> None:
    seen = []
    for stream in (world.streams[THEIRS], new_stream_id(), "x"):
        for query in ("", "cursor=nonsense", "tail=1"):
            carried = await kind.carried(world, OURS)
            seen.append(await refused_socket(world, stream, query, carried))

    codes = {404: 4404, 401: 4401}
    assert {code for code, *_ in seen} == {codes[kind.refused]}
    assert all(one == seen[0] for one in seen)


async def refused_socket(
    world: World, stream: str, query: str, carried: Carried
) -> tuple[int, str, dict[str, Any]]:
    parts = "&".join(part for part in (query, carried.query) if part)
    address = f"{world.api.url.replace('http', 'ws', 1)}/stream/{stream}/results?{parts}"
    opening = connect(address, additional_headers=dict(carried.headers), proxy=None)
    async with asyncio.timeout(10), opening as socket:
        frame: dict[str, Any] = json.loads(await socket.recv())
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    del frame["problem"]["request_id"]
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason, frame


@pytest.mark.parametrize(
    "accept", ["application/json", "text/event-stream", "application/x-ndjson"]
)
@pytest.mark.parametrize("place", ["query", "header"])
async def test_a_cursor_of_somebody_else_is_a_bad_cursor(
    world: World, accept: str, place: str
) -> None:
    own = world.streams[OURS]
    async with world.client(THEIRS) as them:
        theirs = (await them.page(world.streams[THEIRS]))["cursor"]
    async with world.client(OURS) as us:
        second = (await us.page(await us.start()))["cursor"]
        good = (await us.page(own))["cursor"]
        answers = []
        for cursor in (theirs, second, good[:-1] + ("A" if good[-1] != "A" else "B")):
            headers = {"accept": accept} | ({"last-event-id": cursor} if place == "header" else {})
            query = {"cursor": cursor} if place == "query" else {}
            answers.append(
                await us.http.get(f"/stream/{own}/results", params=query, headers=headers)
            )

    assert [answer.status_code for answer in answers] == [400] * 3
    assert {answer.json()["code"] for answer in answers} == {"invalid-cursor"}
    assert len({answer.json()["detail"] for answer in answers}) == 1


async def test_a_foreign_stream_takes_as_long_to_refuse_as_none(world: World) -> None:
    asked = [True, False] * ROUNDS
    random.shuffle(asked)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    key = {"x-api-key": world.keys[OURS]}
    async with wire(world.api.url) as peer:
        for is_foreign in asked:
            stream = world.streams[THEIRS] if is_foreign else new_stream_id()
            seconds[is_foreign].append(await timed(peer, request("GET", f"/stream/{stream}", key)))

    foreign, none = median(seconds[True]), median(seconds[False])
    apart = max(foreign, none) / min(foreign, none)
    deviations = abs(rank_deviations(seconds[True], seconds[False]))
    assert apart < MOST_APART or deviations < SIGNIFICANT, (foreign, none, deviations)


async def timed(peer: Wire, asked: bytes) -> float:
    begun = time.perf_counter()
    heard = await peer.ask(asked)
    assert heard.status == 404
    return time.perf_counter() - begun


def rank_deviations(first: Sequence[float], second: Sequence[float]) -> float:
    """Return how far the ranks of two samples lie apart, in standard deviations.

    Source:  Mann and Whitney, 1947; the normal approximation, which holds from 20 values on.
    """
    ranked = sorted([(value, True) for value in first] + [(value, False) for value in second])
    ranks = sum(rank for rank, (_, is_first) in enumerate(ranked, 1) if is_first)
    pairs = len(first) * len(second)
    expected = len(first) * (len(ranked) + 1) / 2
    return float((ranks - expected) / (pairs * (len(ranked) + 1) / 12) ** 0.5)


async def test_samples_that_differ_are_told_apart() -> None:
    same = [random.gauss(10, 1) for _ in range(ROUNDS)]
    later = [random.gauss(15, 1) for _ in range(ROUNDS)]

    assert abs(rank_deviations(same, later)) > SIGNIFICANT
    assert abs(rank_deviations(same[::2], same[1::2])) < SIGNIFICANT
