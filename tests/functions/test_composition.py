"""What a function opens, keeps, and opens again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from functions.composition import OPEN_SECONDS, FunctionApplication, NoProcessors
from functions.known_settings import known_settings
from functions.send.routes import router
from streaming_runtime.core.errors import ConfigurationInvalid, InvalidBody
from streaming_runtime.http.lambda_entry import LambdaFigures
from streaming_runtime.http.lambda_exchange import exchanged
from streaming_runtime.http.time_left import RESERVE_SECONDS
from tests.functions.api import KEY, Api
from tests.http.asgi import Conversation, scope_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Figures(LambdaFigures):
    """Counts nothing: these calls are outside of Lambda."""

    def __init__(self) -> None:
        pass

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        pass

    def refused(self, code: str) -> None:
        pass


@pytest_asyncio.fixture(loop_scope="module")
async def function(broker: str, api: Api) -> AsyncIterator[FunctionApplication]:
    environ = {
        "KAFKA_BROKER": broker,
        "KAFKA_TOPIC_PREFIX": api.kafka.settings.topic_prefix,
        "API_KEYS": f"acme:{KEY}",
    }
    application = FunctionApplication(router, known_settings(environ), NoProcessors(), Figures())
    yield application
    await application.close()


async def send(function: FunctionApplication, stream_id: str) -> tuple[int, Any]:
    scope = scope_of("POST", f"/stream/{stream_id}/send", {"x-api-key": KEY})
    async with Conversation(function, scope) as talk:
        talk.write(b'{"data":1}', is_last=True)
        await talk.end()
    return talk.status, json.loads(talk.received)


async def test_first_calls_at_once_open_one_connection(
    api: Api, function: FunctionApplication
) -> None:
    stream_id = await api.start()

    answers = await asyncio.gather(*[send(function, stream_id) for _ in range(5)])
    kept = function._open
    again = await send(function, stream_id)

    assert [status for status, _ in [*answers, again]] == [202] * 6
    assert kept is not None and function._open is kept


async def test_a_part_that_has_ended_is_replaced_at_the_next_call(
    api: Api, function: FunctionApplication
) -> None:
    stream_id = await api.start()
    await send(function, stream_id)
    before = function._open
    assert before is not None

    async def end_at_once() -> None:
        pass

    before.vitals.start("a part that ends", end_at_once())
    await before.vitals.ended()
    status, _ = await send(function, stream_id)

    assert status == 202
    assert function._open is not None and function._open is not before


async def test_what_was_closed_is_opened_again(api: Api, function: FunctionApplication) -> None:
    stream_id = await api.start()
    await send(function, stream_id)

    await function.close()

    assert (await send(function, stream_id))[0] == 202


@pytest.mark.parametrize(
    "environ, named",
    [
        ({"API_KEY": "k"}, "KAFKA_BROKER"),
        ({"KAFKA_BROKER": "127.0.0.1:9"}, "API_KEY"),
        ({"KAFKA_BROKER": "nowhere", "API_KEY": "k"}, "KAFKA_BROKER"),
    ],
)
async def test_a_missing_setting_is_named_at_the_call(environ: dict[str, str], named: str) -> None:
    function = FunctionApplication(router, known_settings(environ), NoProcessors(), Figures())

    with pytest.raises(ConfigurationInvalid, match=named):
        await send(function, "A" * 22)


async def test_a_first_call_waits_no_longer_than_its_invocation_lasts() -> None:
    environ = {"KAFKA_BROKER": "127.0.0.1:9", "API_KEY": KEY}
    function = FunctionApplication(router, known_settings(environ), NoProcessors(), Figures())
    scope = scope_of("POST", f"/stream/{'A' * 22}/send", {"x-api-key": KEY})
    begun = time.monotonic()

    answer = await exchanged(function, scope, b'{"data":1}', RESERVE_SECONDS + 0.1)
    seconds = time.monotonic() - begun
    await function.close()

    assert json.loads(answer["body"])["code"] == "broker-unavailable"
    assert seconds < OPEN_SECONDS - 1


async def test_a_function_that_starts_no_stream_has_no_processors() -> None:
    assert NoProcessors().names() == ()
    with pytest.raises(InvalidBody):
        NoProcessors().check("identity", {})
