"""Senders that retry nothing and a reader that never gives up, and what must hold between them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import httpx

from tests.client import Client
from tests.eventually import eventually
from tests.stories.readers import Reader

ACCEPTED = 202
SEND_SECONDS = 8.0
APART_SECONDS = 0.01
PAUSE_SECONDS = 0.1


class Sender:
    """Sends the numbers from 0 on into one stream of its own.

    Shape:   ``acknowledged`` is the record id by number; ``doubtful`` are the numbers of whose
             sends nobody knows, ``refused`` those that were certainly not stored.
    """

    def __init__(self, client: Client, stream: str) -> None:
        self.stream = stream
        self.acknowledged: dict[int, str] = {}
        self.doubtful: set[int] = set()
        self.refused: set[int] = set()
        self.answers: Counter[str] = Counter()
        self._client = client

    async def run(self) -> None:
        for number in count():
            # Until its answer is here; also when this task is cancelled before.
            self.doubtful.add(number)
            try:
                await self._send(number)
            except httpx.ConnectError:
                self._settle(number, "ConnectError", self.refused)
                await asyncio.sleep(PAUSE_SECONDS)
            except httpx.TransportError as lost:
                self.answers[type(lost).__name__] += 1
            await asyncio.sleep(APART_SECONDS)

    async def _send(self, number: int) -> None:
        answer = await self._client.http.post(
            f"/stream/{self.stream}/send", json={"data": number}, timeout=SEND_SECONDS
        )
        if answer.status_code == ACCEPTED:
            self.doubtful.discard(number)
            self.acknowledged[number] = answer.json()["record_id"]
            return
        code = answer.json()["code"]
        assert answer.status_code == 503, answer.text
        assert "retry-after" in answer.headers
        self._settle(number, code, self.doubtful if code == "outcome-unknown" else self.refused)

    def _settle(self, number: int, answer: str, into: set[int]) -> None:
        self.answers[answer] += 1
        self.doubtful.discard(number)
        into.add(number)


class Traffic:
    """Several senders with a reader each, while the product is being hurt."""

    def __init__(self, senders: list[Sender], readers: list[Reader]) -> None:
        self.senders = senders
        self._readers = readers
        self.returns = 0

    @property
    def acknowledged(self) -> int:
        return sum(len(sender.acknowledged) for sender in self.senders)

    async def flows(self, more: int, seconds: float = 40.0) -> None:
        """Wait until every stream has so many more acknowledged records."""
        wanted = [len(sender.acknowledged) + more for sender in self.senders]
        await eventually(
            lambda: all(
                len(sender.acknowledged) >= least
                for sender, least in zip(self.senders, wanted, strict=True)
            ),
            seconds,
        )

    async def is_read(self, more: int, seconds: float = 40.0) -> None:
        """Wait until every reader has so many more results: all parts are at work."""
        wanted = [len(reader.results) + more for reader in self._readers]
        await eventually(
            lambda: all(
                len(reader.results) >= least
                for reader, least in zip(self._readers, wanted, strict=True)
            ),
            seconds,
        )

    async def follow(self, reader: Reader) -> None:
        """Read for ever, coming back with the last id after whatever happens."""
        while True:
            try:
                await reader.sse()
            except httpx.TransportError:
                await asyncio.sleep(PAUSE_SECONDS)
            self.returns += 1

    async def check(self, seconds: float = 40.0) -> None:
        """Wait for the last results, and compare what was sent with what was read.

        Raises:  AssertionError if something acknowledged is missing, repeated or out of order.
        """
        for sender, reader in zip(self.senders, self._readers, strict=True):
            last = max(sender.acknowledged)
            try:
                await eventually(lambda r=reader, n=last: has_read(r, n), seconds)  # type: ignore[misc]
            except TimeoutError:
                raise AssertionError(
                    f"{last} did not come; {len(reader.results)} results, {sender.answers}"
                ) from None
            compare(sender, reader)


def has_read(reader: Reader, number: int) -> bool:
    return any(result["data"] == number for result in reader.results[-200:])


def compare(sender: Sender, reader: Reader) -> None:
    numbers = [result["data"] for result in reader.results]
    sources = {result["data"]: result["source"] for result in reader.results}
    offsets = [int(result["source"].split("-")[1]) for result in reader.results]
    missing = sender.acknowledged.keys() - set(numbers)
    assert not missing, f"acknowledged and missing: {sorted(missing)}"
    assert len(numbers) == len(set(numbers)), "a result came twice"
    assert numbers == sorted(numbers), "out of the order of sending"
    assert offsets == sorted(offsets), "out of the order of the log"
    lies = sender.refused & set(numbers)
    assert not lies, f"refused as certainly not stored, and yet read: {sorted(lies)}"
    assert set(numbers) - sender.acknowledged.keys() <= sender.doubtful
    assert all(sources[number] == sender.acknowledged[number] for number in sender.acknowledged)


@asynccontextmanager
async def traffic(client: Client, reading: Client, streams: int = 4) -> AsyncIterator[Traffic]:
    """Send into new streams through one client and read them through another, until left."""
    ids = [await client.start() for _ in range(streams)]
    senders = [Sender(client, stream) for stream in ids]
    readers = [Reader(reading, stream) for stream in ids]
    made = Traffic(senders, readers)
    sending = [asyncio.ensure_future(sender.run()) for sender in senders]
    following = [asyncio.ensure_future(made.follow(reader)) for reader in readers]
    try:
        await made.flows(5)
        yield made
        for task in sending:
            task.cancel()
        await asyncio.wait(sending)
        await made.check()
    finally:
        for task in (*sending, *following):
            task.cancel()
        done, _ = await asyncio.wait([*sending, *following])
        for task in done:
            if not task.cancelled():
                task.result()
