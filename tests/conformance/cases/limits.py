"""Limits: how they are told, and that they hold.

The operator names a server of the same deployment with small limits, and keys of tenants of their
own, one for each case (LIMITED_URL, LIMITED_KEYS).
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import AsyncExitStack
from typing import Any

from ..client.answer import Answer, check_problem
from ..client.api import EVENT_STREAM, JSON, NDJSON, Api
from ..client.event_bytes import Event, EventBytes
from ..client.stream import Stream
from ..target import NotThere

POLICY = re.compile(r'"[^"]+";q=(\d+);w=(\d+)')
STATE = re.compile(r'"[^"]+";r=(\d+)(;t=\d+)?')
MOST_TRIES = 20_000
MOST_LIMIT = 2_000
TRIES = 10


def _limited(api: Api, number: int) -> Api:
    """Return a client of the server with small limits, of a tenant nobody else uses."""
    keys = api.target.limited_keys
    if api.target.limited_url is None or number >= len(keys):
        raise NotThere("no server with small limits, or too few keys (LIMITED_URL, LIMITED_KEYS)")
    return api.with_key(keys[number], api.target.limited_url)


def _most(answer: Answer) -> int:
    policy = POLICY.fullmatch(answer.headers["ratelimit-policy"])
    assert policy, answer.headers["ratelimit-policy"]
    if int(policy[1]) > MOST_LIMIT:
        raise NotThere(f"a limit of {policy[1]} is not small")
    return int(policy[1])


async def _use_up(api: Api) -> Answer:
    """Ask until refused, and return the refusal."""
    for _ in range(MOST_TRIES // 8):
        answers = await asyncio.gather(*(api.get("/streams") for _ in range(8)))
        _most(answers[0])
        if refused := [answer for answer in answers if answer.status != 200]:
            return refused[-1]
    raise AssertionError("no limit was ever reached")


async def _refused_events(api: Api, stream: Stream, **query: Any) -> Answer:
    """Ask for events with nothing left: a slow machine may have given time for one more."""
    async with asyncio.timeout(30):
        while True:
            await _use_up(api)
            async with stream.events(**query) as events:
                if events.status != 200:
                    return await events.answer()
                piece = await events.piece()
                if b"rate-limited" in piece:
                    return Answer(events.status, events.headers, piece)


async def every_answer_tells_limit_and_what_is_left(api: Api) -> None:
    answer = await api.get("/streams")

    assert POLICY.fullmatch(answer.headers["ratelimit-policy"])
    assert STATE.fullmatch(answer.headers["ratelimit"])


async def a_refusal_by_a_limit_says_when_to_come_back(api: Api) -> None:
    """429: rate-limited, with `Retry-After`, `RateLimit`, `RateLimit-Policy`"""
    limited = _limited(api, 0)

    refused = await _use_up(limited)

    assert refused.refused("rate-limited")["retriable"] is True
    assert re.fullmatch(r"[1-9]\d*", refused.headers["retry-after"])
    assert STATE.fullmatch(refused.headers["ratelimit"])
    assert POLICY.fullmatch(refused.headers["ratelimit-policy"])


async def a_request_after_retry_after_succeeds(api: Api) -> None:
    """`Retry-After` is whole seconds and a request after it succeeds"""
    limited = _limited(api, 1)
    for _ in range(2):
        refused = await _use_up(limited)
        await asyncio.sleep(int(refused.headers["retry-after"]))
        assert (await limited.get("/streams")).status == 200


async def never_more_than_the_policy_is_admitted_within_its_window(api: Api) -> None:
    """never more than limit + burst admitted within a window; no client header moves a limit"""
    limited = _limited(api, 2)
    answer = await limited.get("/streams")
    most, window = _most(answer), int(POLICY.fullmatch(answer.headers["ratelimit-policy"])[2])  # type: ignore[index]
    admitted: list[tuple[float, float]] = []
    ends = time.monotonic() + 2.5 * window

    async def hammer(number: int) -> None:
        while (begun := time.monotonic()) < ends:
            disguise = {"x-forwarded-for": f"10.0.0.{number}", "x-real-ip": "1.2.3.4"}
            if (await limited.ask("GET", "/streams", headers=disguise)).status == 200:
                admitted.append((begun, time.monotonic()))

    await asyncio.gather(*map(hammer, range(6)))

    for begun, _ in admitted:
        # A request is admitted somewhere between its sending and its answer.
        inside = [1 for sent, heard in admitted if sent >= begun and heard <= begun + window]
        assert len(inside) <= most


async def one_tenant_at_its_limit_does_not_touch_another(api: Api) -> None:
    limited, neighbour = _limited(api, 3), _limited(api, 4)

    await _use_up(limited)

    assert [(await neighbour.get("/streams")).status for _ in range(5)] == [200] * 5


async def what_is_left_goes_down(api: Api) -> None:
    limited = _limited(api, 5)

    # All at once, and again where the machine is so slow that it fills between two of them.
    lefts: list[list[int]] = []
    while not lefts or (min(lefts[-1]) == max(lefts[-1]) and len(lefts) < TRIES):
        if lefts:
            await asyncio.sleep(1.0)  # Or it is empty from the last time.
        answers = await asyncio.gather(*(limited.get("/streams") for _ in range(8)))
        states = [STATE.fullmatch(answer.headers["ratelimit"]) for answer in answers]
        lefts.append([int(state[1]) for state in states if state is not None])
        assert len(lefts[-1]) == len(answers)

    assert min(lefts[-1]) < max(lefts[-1])


async def an_event_source_at_the_limit_is_answered_200_and_comes_back(api: Api) -> None:
    """limits answer 200, a jittered `retry:`, `event: error`, close"""
    limited = _limited(api, 6)
    stream = await limited.start()

    refused = await _refused_events(limited, stream)

    [event] = EventBytes().feed(refused.body)
    assert (refused.status, refused.media_type) == (200, EVENT_STREAM)
    assert event.name == "error"
    check_problem(event.json(), "rate-limited")
    assert event.retry is not None
    await asyncio.sleep(event.retry / 1_000)
    await _comes_in(stream, event)


async def _comes_in(stream: Stream, refused: Event) -> None:
    async with stream.events() as events:
        assert (await events.must()).name != refused.name


async def strict_gives_the_true_status(api: Api) -> None:
    """`?strict=1` gives the true status."""
    limited = _limited(api, 7)
    stream = await limited.start()

    refused = await _refused_events(limited, stream, strict="1")

    refused.refused("rate-limited")
    assert int(refused.headers["retry-after"]) >= 1


async def other_forms_get_the_true_status(api: Api) -> None:
    limited = _limited(api, 8)
    stream = await limited.start()

    for accept in (JSON, NDJSON):
        async with asyncio.timeout(30):
            status = 200
            while status == 200:
                await _use_up(limited)
                async with stream.events(accept=accept) as opened:
                    status = opened.status
        assert status == 429


async def a_socket_at_the_limit_is_closed_with_4429(api: Api) -> None:
    limited = _limited(api, 9)
    stream = await limited.start()
    async with asyncio.timeout(30):
        code = None
        while code is None:
            await _use_up(limited)
            async with stream.socket() as socket:
                told = await socket.frame()
                code = await socket.close_code() if told["type"] == "error" else None

    check_problem(told["problem"], "rate-limited")
    assert code == 4429


async def sends_on_a_socket_count_and_a_refused_one_leaves_it_open(api: Api) -> None:
    """and the socket goes on (bad data, ended stream, limits)"""
    limited = _limited(api, 10)
    answer = await limited.get("/streams")
    stream, count = await limited.start(), 2 * _most(answer)
    async with stream.socket() as socket:
        for number in range(count):
            await socket.say({"type": "send", "data": number, "ref": number})
        answers = [await socket.of("receipt", "error") for _ in range(count)]
        await asyncio.sleep(3)
        await socket.say({"type": "send", "data": "later", "ref": "later"})
        later = await socket.of("receipt", "error")

    assert [answer["ref"] for answer in answers] == list(range(count))
    codes = {answer["problem"]["code"] for answer in answers if answer["type"] == "error"}
    assert codes == {"rate-limited"}
    assert (later["type"], later["ref"]) == ("receipt", "later")


async def open_readers_are_limited_and_one_that_leaves_makes_room(api: Api) -> None:
    limited = _limited(api, 11)
    stream, opened = await limited.start(), []
    async with AsyncExitStack() as readers:
        for _ in range(8):
            events = await readers.enter_async_context(stream.events())
            first = await events.must()
            opened.append(first.name)
            if first.name == "error":
                check_problem(first.json(), "rate-limited")
                break
        assert opened[-1] == "error", "eight readers were let in"
    async with asyncio.timeout(40):
        while True:
            async with stream.events() as events:
                if (await events.must()).name == "message":
                    return
            await asyncio.sleep(1.5)
