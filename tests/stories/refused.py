"""Good records among bad ones, and the proof that only the good were stored."""

from __future__ import annotations

import asyncio

from tests.client import Client
from tests.product import KEY
from tests.stories.readers import Reader
from tests.stories.wire import Heard, Wire, request

AUTHORISED = {"x-api-key": KEY}
UNKNOWN = "0123456789012345678901"
LARGEST = 256 << 10
GOOD = b'{"data":"good"}'


async def send(peer: Wire, stream: str, body: bytes, **headers: str) -> Heard:
    fields = {**AUTHORISED, **headers}
    return await peer.ask(request("POST", f"/stream/{stream}/send", fields, body))


async def assert_only_good(client: Client, stream: str, count: int = 1) -> None:
    """Nothing that was refused has a result, now or later: what comes next follows the good."""
    await client.send(stream, "last")
    reader = Reader(client, stream)
    async with asyncio.timeout(20):
        while not reader.results or reader.results[-1]["data"] != "last":
            await reader.page()
    assert [result["data"] for result in reader.results] == ["good"] * count + ["last"]
    offsets = [int(result["source"].partition("-")[2]) for result in reader.results]
    assert offsets == list(range(offsets[0], offsets[0] + count + 1))
