"""A storm of readers: each begins in its turn, and everybody else goes on in between."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from streaming_runtime.core.errors import Overloaded
from streaming_runtime.live import arrivals
from streaming_runtime.live.arrivals import Arrivals, is_endless

SOME = 3


def opened() -> Arrivals:
    return Arrivals(asyncio.get_running_loop(), per_turn=SOME)


async def turn() -> None:
    await asyncio.sleep(0)


async def test_who_comes_alone_begins_at_once() -> None:
    storm = opened()
    begun: list[int] = []

    for number in range(SOME):
        storm.enter(partial(begun.append, number))

    assert begun == list(range(SOME))
    assert not storm.waiting


async def test_a_storm_begins_in_order_and_some_in_each_turn_of_the_loop() -> None:
    storm = opened()
    begun: list[int] = []
    for number in range(10 * SOME):
        storm.enter(partial(begun.append, number))

    in_turns = [len(begun)]
    while storm.waiting:
        await turn()
        in_turns.append(len(begun))

    assert begun == list(range(10 * SOME))
    assert max(now - before for before, now in pairwise(in_turns)) <= SOME


async def test_who_comes_later_does_not_overtake_who_waits() -> None:
    storm = opened()
    begun: list[str] = []
    for _ in range(2 * SOME):
        storm.enter(lambda: begun.append("early"))
    await turn()

    storm.enter(lambda: begun.append("late"))
    while storm.waiting:
        await turn()

    assert begun == ["early"] * 2 * SOME + ["late"]


async def test_one_that_fails_to_begin_does_not_keep_those_behind_it() -> None:
    storm = opened()
    begun: list[str] = []
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def fail() -> None:
        raise ValueError("cannot begin")

    for _ in range(SOME):
        storm.enter(lambda: None)
    storm.enter(fail)
    for _ in range(2 * SOME):
        storm.enter(lambda: begun.append("begun"))
    for _ in range(10):
        await turn()

    assert begun == ["begun"] * 2 * SOME
    assert len(told) == 1


async def test_a_task_waits_for_its_turn() -> None:
    storm = opened()
    for _ in range(2 * SOME):
        storm.enter(lambda: None)

    await asyncio.wait_for(storm.turn(), 1)

    assert not storm.waiting


async def test_who_comes_out_of_a_late_ones_task_is_not_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storm = opened()
    lateness: dict[str, bool] = {}

    def judged(name: str) -> None:
        lateness[name] = arrivals._is_late.get()

    async def late() -> None:
        judged("late")
        monkeypatch.setattr(arrivals, "MAX_WAIT_SECONDS", 60.0)
        for number in range(2 * SOME):
            storm.enter(partial(judged, f"next {number}"))

    monkeypatch.setattr(arrivals, "MAX_WAIT_SECONDS", 0.0)
    for _ in range(SOME):
        storm.enter(lambda: None)
    tasks: list[asyncio.Task[None]] = []
    storm.enter(lambda: tasks.append(asyncio.ensure_future(late())))
    while len(lateness) <= 2 * SOME:
        await turn()

    assert lateness.pop("late")
    assert not any(lateness.values())
    await asyncio.gather(*tasks)


async def test_who_waited_for_too_long_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arrivals, "MAX_WAIT_SECONDS", 0.0)
    storm = opened()
    refused: list[Overloaded] = []
    let_in: list[int] = []

    def begin() -> None:
        try:
            storm.admit()
            let_in.append(1)
        except Overloaded as refusal:
            refused.append(refusal)

    for _ in range(2 * SOME):
        storm.enter(begin)
    while storm.waiting:
        await turn()

    assert len(let_in) == len(refused) == SOME
    assert all(1 <= int(refusal.headers["Retry-After"]) <= 10 for refusal in refused)
    assert all(refusal.retriable for refusal in refused)
    with pytest.raises(Overloaded):
        await crowded(storm).turn()


def crowded(storm: Arrivals) -> Arrivals:
    for _ in range(2 * SOME):
        storm.enter(lambda: None)
    return storm


@pytest.mark.parametrize(
    ("method", "path", "accept", "expected"),
    [
        ("GET", "/stream/x/results", b"text/event-stream", True),
        ("GET", "/stream/x/results", b"application/x-ndjson", True),
        ("GET", "/stream/x/results", None, True),
        ("GET", "/stream/x/results", b"application/json", False),
        ("HEAD", "/stream/x/results", None, False),
        ("GET", "/stream/x", None, False),
        ("POST", "/stream/x/send", None, False),
    ],
)
def test_only_who_stays_waits_for_a_turn(
    method: str, path: str, accept: bytes | None, expected: bool
) -> None:
    headers = [] if accept is None else [(b"accept", accept)]

    assert is_endless({"method": method, "path": path, "headers": headers}) is expected
