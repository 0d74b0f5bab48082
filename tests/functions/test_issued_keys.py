"""Issued keys in a function, which is frozen between two calls and may be cut off from Kafka."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from functions.composition import FunctionApplication, NoProcessors
from functions.known_settings import known_settings
from functions.prompt import KEYS_SECONDS, UNKNOWN_KEY_SECONDS, PromptKeys
from functions.streams.routes import router
from streaming_runtime.core.api_keys import Peppers, digest_of, parsed
from streaming_runtime.core.settings import key_peppers
from streaming_runtime.http.lambda_exchange import exchanged
from streaming_runtime.http.time_left import RESERVE_SECONDS
from streaming_runtime.kafka.issued_keys import KafkaKeys
from tests.core.issued import issued
from tests.functions.api import Api
from tests.functions.test_composition import Figures
from tests.http.asgi import Conversation, scope_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECRET = {"SIGNING_SECRET": "a secret of these tests"}


class Clock:
    """Seconds as a test tells them, also of a freeze."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Frozen:
    """A registry that reads nothing by itself: what others wrote is seen when it is asked for."""

    def __init__(self, api: Api) -> None:
        self.issued: dict[str, Any] = {}
        self.looks = 0
        self._api = api

    async def catch_up(self) -> None:
        self.looks += 1
        await self._api.kafka.registry.catch_up()
        self.issued = {key.key_id: key for key in self._api.kafka.registry.issued.all()}


async def test_a_key_revoked_during_a_freeze_is_refused_within_the_minute(api: Api) -> None:
    clock, registry, store = Clock(), Frozen(api), KafkaKeys(api.kafka.registry)
    keys = PromptKeys(registry, clock)  # type: ignore[arg-type]
    _, key = issued()
    await store.put(key)
    clock.now += UNKNOWN_KEY_SECONDS
    assert await keys.find(key.key_id) == key

    revoked = replace(key, revoked_at=1)
    await store.put(revoked)
    clock.now += KEYS_SECONDS - 0.1
    assert await keys.find(key.key_id) == key
    clock.now += 3_600
    assert await keys.find(key.key_id) == revoked
    assert registry.looks == 2
    assert KEYS_SECONDS < 60


async def test_guesses_ask_kafka_once_in_a_while(api: Api) -> None:
    clock, registry = Clock(), Frozen(api)
    keys = PromptKeys(registry, clock)  # type: ignore[arg-type]
    clock.now += UNKNOWN_KEY_SECONDS

    assert [await keys.find("A" * 12) for _ in range(5)] == [None] * 5
    assert registry.looks == 1


@pytest_asyncio.fixture(loop_scope="module")
async def function(broker: str, api: Api) -> AsyncIterator[FunctionApplication]:
    environ = {
        "KAFKA_BROKER": broker,
        "KAFKA_TOPIC_PREFIX": api.kafka.settings.topic_prefix,
        **SECRET,
    }
    application = FunctionApplication(router, known_settings(environ), NoProcessors(), Figures())
    yield application
    await application.close()


async def listed(function: FunctionApplication, key: str) -> tuple[int, Any]:
    async with Conversation(function, scope_of("GET", "/streams", {"x-api-key": key})) as talk:
        talk.write(b"", is_last=True)
        await talk.end()
    return talk.status, json.loads(talk.received)


async def test_a_key_opens_a_function_that_has_no_configured_one(
    api: Api, function: FunctionApplication
) -> None:
    pepper = Peppers(key_peppers(SECRET)).newest
    text, key = issued(pepper=pepper.version)
    presented = parsed(text.encode())
    assert presented is not None
    key = replace(key, digest=digest_of(presented.secret, pepper))
    await KafkaKeys(api.kafka.registry).put(key)

    assert (await listed(function, text))[0] == 200
    assert (await listed(function, issued()[0]))[0] == 401


async def test_while_kafka_cannot_be_reached_only_what_no_key_can_be_is_called_wrong() -> None:
    environ = {"KAFKA_BROKER": "127.0.0.1:9", **SECRET}
    function = FunctionApplication(router, known_settings(environ), NoProcessors(), Figures())
    text, _ = issued()

    codes = []
    for key in (text, text[:-1]):
        scope = scope_of("GET", "/streams", {"x-api-key": key})
        answer = await exchanged(function, scope, b"", RESERVE_SECONDS + 0.1)
        codes.append(json.loads(answer["body"])["code"])
    await function.close()

    assert codes == ["overloaded", "unauthorized"]
