"""A function takes the tokens that the long-running API takes, and keeps the issuer's keys."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from functions.composition import FunctionApplication, NoProcessors
from functions.known_settings import known_settings
from functions.send.routes import router
from tests.functions.api import KEY, Api
from tests.functions.test_composition import Figures
from tests.http.asgi import Conversation, scope_of
from tests.http.issuing import AUDIENCE, EC, ISSUER, Issuer

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = "A" * 22


@pytest_asyncio.fixture(loop_scope="module")
async def function(broker: str, api: Api, tmp_path: Path) -> AsyncIterator[FunctionApplication]:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [EC.as_dict(private=False)]}))
    environ = {
        "KAFKA_BROKER": broker,
        "KAFKA_TOPIC_PREFIX": api.kafka.settings.topic_prefix,
        "API_KEYS": f"acme:{KEY}",
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "JWT_JWKS": str(file),
    }
    application = FunctionApplication(router, known_settings(environ), NoProcessors(), Figures())
    yield application
    await application.close()


async def send(function: FunctionApplication, token: str) -> tuple[int, Any, str]:
    fields = {"authorization": f"Bearer {token}"}
    scope = scope_of("POST", f"/stream/{UNKNOWN}/send", fields)
    async with Conversation(function, scope) as talk:
        talk.write(b'{"data":1}', is_last=True)
        await talk.end()
    return talk.status, json.loads(talk.received)["code"], talk.headers.get("www-authenticate", "")


async def test_a_token_opens_a_function_as_far_as_its_scope_goes(
    function: FunctionApplication,
) -> None:
    issuer = Issuer()

    good = await send(function, issuer.token(EC, "ES256"))
    reading = await send(function, issuer.token(EC, "ES256", scope="read"))
    foreign = await send(function, issuer.token(EC, "ES256", aud="https://else.example"))

    assert good[:2] == (404, "unknown-stream")
    assert reading[:2] == (403, "forbidden")
    assert reading[2].endswith('error="insufficient_scope", scope="stream:send"')
    assert foreign[:2] == (401, "unauthorized")
    assert 'error="invalid_token"' in foreign[2]
    # The gateway before the functions has no route to that document.
    assert "resource_metadata" not in foreign[2]


async def test_the_issuers_keys_outlive_what_is_opened(function: FunctionApplication) -> None:
    issuer = Issuer()
    await send(function, issuer.token(EC, "ES256"))
    kept = function._tokens

    await function.close()
    again = await send(function, issuer.token(EC, "ES256", sub="other"))

    assert again[0] == 404
    assert kept is not None
    assert function._tokens is kept
