"""A request of an invocation ends before the invocation does, and says what became of it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from litestar.types import Receive, Scope, Send

from streaming_runtime.http.answers import StreamedAnswer, chunk
from streaming_runtime.http.bodies import read_body
from streaming_runtime.http.edge import Edge, exchange_of
from streaming_runtime.http.lambda_exchange import exchanged
from streaming_runtime.http.time_left import RESERVE_SECONDS, seconds_left, within
from tests.functions.api import Figures
from tests.http.asgi import scope_of


async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.Event().wait()


async def storing(scope: Scope, receive: Receive, send: Send) -> None:
    exchange_of(scope).is_storing = True
    await asyncio.Event().wait()


async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
    """End, but not when told to."""
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(1)


async def code_of(app: Any, method: str, seconds: float) -> tuple[int, str]:
    answer = await exchanged(app, scope_of(method, "/x"), b"", seconds)
    return answer["status"], json.loads(answer["body"])["code"]


@pytest.mark.parametrize(
    ("app", "method", "code"),
    [
        (Edge(hanging, Figures()), "POST", "broker-unavailable"),
        (Edge(hanging, Figures()), "GET", "broker-unavailable"),
        (Edge(storing, Figures()), "POST", "outcome-unknown"),
        (stubborn, "POST", "outcome-unknown"),
        (stubborn, "GET", "broker-unavailable"),
    ],
)
async def test_a_request_that_runs_out_of_time_says_what_is_known_of_it(
    app: Any, method: str, code: str
) -> None:
    begun = time.monotonic()

    found = await code_of(app, method, 0.1)

    assert found == (503, code)
    assert time.monotonic() - begun < 0.9  # Before the stubborn one has ended.


async def test_a_stream_that_runs_out_of_time_keeps_what_it_has_told() -> None:
    async def told(_: Receive, send: Send) -> None:
        await chunk(send, b"id: 1\n\n")
        await asyncio.Event().wait()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamedAnswer(told, "text/event-stream")(scope, receive, send)

    answer = await exchanged(Edge(app, Figures()), scope_of("GET", "/x"), b"", 0.1)

    assert (answer["status"], answer["body"]) == (200, b"id: 1\n\n")


async def test_a_body_that_could_not_be_read_is_refused_where_it_is_read() -> None:
    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive, 10, lambda _: AssertionError())  # type: ignore[arg-type,return-value]

    with pytest.raises(Exception, match="base64, or text"):
        await exchanged(reading, scope_of("POST", "/x"), None, 5)


async def test_what_an_application_raises_is_raised() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await exchanged(failing, scope_of("GET", "/x"), b"", 5)


async def test_whoever_waits_knows_how_long_it_may() -> None:
    found: list[float] = []

    async def asking(scope: Scope, receive: Receive, send: Send) -> None:
        found.extend([seconds_left(scope), within(scope, 25), within(scope, 0.1)])

    await exchanged(asking, scope_of("GET", "/x"), b"", 3)

    assert 2 < found[0] <= 3
    assert found[1] <= 3 - RESERVE_SECONDS
    assert found[2] == 0.1


async def test_where_no_invocation_ends_anything_may_be_waited_for() -> None:
    assert within({}, 25) == 25
