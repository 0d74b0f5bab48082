"""Numbers sent in order, each stored once, to servers that come and go."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count

import httpx

from tests.product import KEY

SEND_SECONDS = 0.5


class Sender:
    """Sends the numbers 0, 1, 2, … into each stream, to whichever server there is, until stored."""

    def __init__(
        self, streams: Sequence[str], ports: Sequence[int], apart_seconds: float = SEND_SECONDS
    ) -> None:
        self.sent = dict.fromkeys(streams, 0)
        self.tries = 0
        self._ports = ports
        self._apart_seconds = apart_seconds

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=10, headers={"x-api-key": KEY}) as http:
            for number in count():
                await asyncio.gather(*(self._send(http, stream, number) for stream in self.sent))
                await asyncio.sleep(self._apart_seconds)

    async def _send(self, http: httpx.AsyncClient, stream: str, number: int) -> None:
        headers = {"idempotency-key": f"{number}"}
        while True:
            self.tries += 1
            url = f"http://127.0.0.1:{random.choice(self._ports)}/stream/{stream}/send"
            with suppress(httpx.TransportError):
                answer = await http.post(url, json={"data": number}, headers=headers)
                if answer.status_code == 202:
                    self.sent[stream] = number + 1
                    return
                assert answer.json()["retriable"], answer.text
            await asyncio.sleep(0.1)


@asynccontextmanager
async def background(*runs: asyncio.Future[None]) -> AsyncIterator[None]:
    """Hold what runs for ever; whatever broke in it is raised in the end."""
    try:
        yield
        for run in runs:
            assert not run.done(), run
    finally:
        for run in runs:
            run.cancel()
        done, _ = await asyncio.wait(runs)
        for run in done:
            if not run.cancelled():
                run.result()
