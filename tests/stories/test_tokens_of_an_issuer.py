"""Tokens of a real OpenID provider on this machine: whoever has one needs no key of ours."""

from __future__ import annotations

import asyncio
import json
import re
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from local.children import die_with_parent
from local.ports import free_port
from tests.client import Client, frame
from tests.conformance.oracles.npm import node
from tests.conformance.target import NotThere
from tests.product import Process, product

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150)]

FOLDER = Path(__file__).parent / "oidc"
AUDIENCE = "https://api.example"
EVERYTHING = "stream:start stream:send stream:read"
START_SECONDS = 20.0


class Running(NamedTuple):
    """An API that knows no key, and the provider whose tokens it takes."""

    api: Process
    issuer: str

    async def token(self, client: str, scope: str = EVERYTHING, resource: str = AUDIENCE) -> str:
        """Return what the provider gives a client for its secret."""
        asked = {"grant_type": "client_credentials", "scope": scope, "resource": resource}
        secret = (client, f"secret-of-{client}")
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(f"{self.issuer}/token", data=asked, auth=secret)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def client(self, name: str, scope: str = EVERYTHING) -> Client:
        return bearing(self.api, await self.token(name, scope))


def bearing(api: Process, token: str) -> Client:
    made = Client(api.url)
    made.headers = {"authorization": f"Bearer {token}"}
    made.http = httpx.AsyncClient(base_url=api.url, headers=made.headers, timeout=30)
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider() -> AsyncIterator[str]:
    """Give the address of a provider that runs; a machine without npm is told what it lacks."""
    try:
        path = await asyncio.to_thread(node, FOLDER)
    except NotThere as missing:
        print(f"no OpenID provider: {missing}")  # noqa: T201 - a run says what it left out
        pytest.skip(f"no OpenID provider: {missing}")
    process = await asyncio.create_subprocess_exec(
        *(path, "provider.mjs", str(free_port()), AUDIENCE),
        cwd=FOLDER,
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        preexec_fn=die_with_parent(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            while not (line := await process.stdout.readline()).startswith(b"{"):
                assert line, "the provider did not start"
        yield str(json.loads(line)["issuer"])
    finally:
        process.stdin.close()
        await process.communicate()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    broker: str, provider: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    environ = {
        "API_KEY": "",
        "SIGNING_SECRET": "what seals the cursors where no key is",
        "JWT_ISSUER": provider,
        "JWT_AUDIENCE": AUDIENCE,
        "LOG_LEVEL": "DEBUG",
    }
    async with product(broker, tmp_path_factory.mktemp("tokens"), environ) as made:
        api = made.api()
        await api.start()
        yield Running(api, provider)


async def test_a_client_that_knows_only_our_address_finds_its_way(running: Running) -> None:
    async with httpx.AsyncClient(base_url=running.api.url, trust_env=False) as http:
        refused = await http.post("/stream/start")
        challenge = refused.headers["www-authenticate"]
        where = re.search(r'Bearer realm="millrace", resource_metadata="([^"]+)"$', challenge)
        assert refused.status_code == 401
        assert challenge.startswith("ApiKey ")
        assert where is not None

        metadata = (await http.get(where[1])).json()
        assert metadata["authorization_servers"] == [running.issuer]
        wanted = " ".join(s for s in metadata["scopes_supported"] if s != "stream:admin")
        token = await running.token("acme", wanted, metadata["resource"])

        bearer = {"authorization": f"bearer {token}"}
        assert (await http.post("/stream/start", headers=bearer)).status_code == 201
        schema = (await http.get("/schema")).json()
        assert schema["paths"]["/.well-known/oauth-protected-resource"]["get"]["security"] == []


async def test_tenants_are_those_that_the_tokens_name(running: Running) -> None:
    async with await running.client("acme") as acme, await running.client("other") as other:
        stream = await acme.start()
        await acme.send(stream, {"n": 1})
        own = await acme.http.get(f"/stream/{stream}")
        foreign = await other.http.get(f"/stream/{stream}")
        listed = (await other.http.get("/streams")).json()["streams"]

    assert own.status_code == 200
    assert (foreign.status_code, foreign.json()["code"]) == (404, "unknown-stream")
    assert listed == []


async def test_a_token_may_do_what_its_scope_says_and_is_told_what_it_lacks(
    running: Running,
) -> None:
    async with await running.client("acme") as all_of_it:
        stream = await all_of_it.start()
    async with await running.client("acme", "stream:read") as reader:
        read = await reader.page(stream)
        refused = await reader.http.post(f"/stream/{stream}/send", json={"data": 1})

    assert read["results"] == []
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert refused.headers["www-authenticate"] == (
        'Bearer realm="millrace", error="insufficient_scope", scope="stream:send"'
    )


async def test_a_token_for_another_service_is_nothing_here(running: Running) -> None:
    token = await running.token("acme", resource="https://else.example")
    async with bearing(running.api, token) as client:
        refused = await client.http.get("/streams")

    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    assert "resource_metadata=" in refused.headers["www-authenticate"]


async def test_a_socket_takes_a_token_and_refuses_one_that_is_not_the_issuers(
    running: Running,
) -> None:
    async with await running.client("acme") as client:
        stream = await client.start()
        async with asyncio.timeout(20), client.socket(stream) as socket:
            await socket.send(json.dumps({"type": "send", "data": 1, "ref": 7}))
            told = [await frame(socket) for _ in range(2)]
        client.headers["authorization"] = client.headers["authorization"][:-4] + "AAAA"
        async with asyncio.timeout(20), client.socket(stream) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    await socket.recv()

    assert [one["type"] for one in told] == ["position", "receipt"]
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


async def test_no_token_stands_in_the_log(running: Running) -> None:
    token = await running.token("other")
    for sent in (token, f"{token[:-4]}AAAA"):
        async with bearing(running.api, sent) as client:
            await client.http.get("/streams")

    assert running.api.logged()
    assert "eyJ" not in running.api.log.read_text(encoding="utf-8")
