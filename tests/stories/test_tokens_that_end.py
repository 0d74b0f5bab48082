"""A token ends, and with it every connection that it has opened."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.client import Client
from tests.http.issuing import AUDIENCE, EC, ISSUER, Issuer
from tests.product import KEY, Process, product

SECONDS = 3


@pytest.fixture
async def server(broker: str, tmp_path: Path) -> AsyncIterator[Process]:
    """Give a server that knows one key, and an issuer by a file of its keys."""
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [EC.as_dict(private=False)]}))
    environ = {"JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE, "JWT_JWKS": str(file)}
    async with product(broker, tmp_path, environ) as made:
        api = made.api()
        await api.start()
        yield api


async def until_closed(lines: AsyncIterator[str]) -> list[str]:
    try:
        return [line async for line in lines]
    except httpx.RemoteProtocolError:
        return ["cut"]


async def test_every_open_reader_is_closed_when_its_token_ends(server: Process) -> None:
    async with Client(server.url) as owner:
        # The key of `default` and a token for `default` are one tenant.
        stream = await owner.start()
        end = time.time() + SECONDS
        token = Issuer().token(EC, "ES256", sub="default", exp=end)
        bearer = {"authorization": f"Bearer {token}"}
        results = f"/stream/{stream}/results"
        owner.headers = bearer
        async with (
            asyncio.timeout(20),
            httpx.AsyncClient(base_url=server.url, headers=bearer, timeout=30) as http,
            http.stream("GET", results, headers={"accept": "text/event-stream"}) as events,
            http.stream("GET", results, headers={"accept": "application/x-ndjson"}) as lines,
            owner.socket(stream) as socket,
        ):
            assert (events.status_code, lines.status_code) == (200, 200)
            seen, told = await asyncio.gather(
                until_closed(events.aiter_lines()), until_closed(lines.aiter_lines())
            )
            closed_after = time.time() - end
            frames = []
            with pytest.raises(ConnectionClosed):
                while True:
                    frames.append(json.loads(await socket.recv())["type"])
            late = await http.get("/streams")
        of_the_key = await owner.http.get("/streams", headers={"x-api-key": KEY})

    assert -0.5 < closed_after < 2
    assert "event: credential-expiring" in seen
    assert "credential-expiring" in "".join(told)
    assert "credential-expiring" in frames
    assert late.status_code == 401
    assert of_the_key.status_code == 200
