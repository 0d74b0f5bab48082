"""Sends without end at a server that is told to stop: what was taken is answered, and no more."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from itertools import count

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.client import Client, Json
from tests.product import KEY, Process, Product, product
from tests.stories.wire import Chunks, Wire, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

DRAIN_SECONDS = 1
UPLOADS = 3
# A line at a time, or twice as many as one process takes.
SLOW = (1, 0.02)
FAST = (200, 0.01)
# What a server has answered is for the most part still on its way when it closes.
SMALL_BUFFER = 4_096
READ_PAUSE = 0.005


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(broker: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    """Give a product whose first process only looks; each story stops another one."""
    directory = tmp_path_factory.mktemp("sends")
    async with product(broker, directory, {"DRAIN_SECONDS": str(DRAIN_SECONDS)}) as running:
        api, processing = running.api(), running.processing()
        await asyncio.gather(api.start(), processing.start())
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def staying(made: Product) -> AsyncIterator[Client]:
    async with Client(made.processes[0].url) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def leaving(made: Product) -> Process:
    server = made.api()
    await server.start()
    return server


class Upload:
    """Lines without end on one connection, and the answers to them.

    Shape:   ``heard`` has an object for each line of the answer; ``is_whole`` says that it ended
             as an answer does, and not because the connection broke.
    """

    def __init__(
        self,
        stream: str,
        lines_at_once: int,
        pause_seconds: float,
        buffer_bytes: int | None = None,
    ) -> None:
        self.stream = stream
        self.heard: list[Json] = []
        self.is_whole = False
        self.begun = asyncio.Event()
        self._lines_at_once = lines_at_once
        self._pause_seconds = pause_seconds
        self._buffer_bytes = buffer_bytes

    async def run(self, url: str) -> None:
        """Send until the answer is over, as fast as it is taken."""
        async with wire(url, self._buffer_bytes) as peer:
            head = (
                f"POST /stream/{self.stream}/send HTTP/1.1\r\nHost: localhost\r\n"
                f"x-api-key: {KEY}\r\nContent-Type: application/x-ndjson\r\n"
                "Transfer-Encoding: chunked\r\n\r\n"
            )
            await peer.say(head.encode())
            sending = asyncio.ensure_future(self._send(peer))
            try:
                await self._hear(peer)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, peer: Wire) -> None:
        numbers = count()
        while True:
            lines = b"".join(b'{"data":%d}\n' % next(numbers) for _ in range(self._lines_at_once))
            await peer.say(b"%x\r\n%b\r\n" % (len(lines), lines))
            await asyncio.sleep(self._pause_seconds)

    async def _hear(self, peer: Wire) -> None:
        assert (await peer.hear_head()).status == 200
        chunks, rest = Chunks(), b""
        while not chunks.is_complete:
            piece = await peer.hear_some()
            assert piece, "the connection ended before the answer did"
            if self._buffer_bytes is not None:
                await asyncio.sleep(READ_PAUSE)
            *lines, rest = (rest + chunks.feed(piece)).split(b"\n")
            self.heard += map(json.loads, lines)
            self.begun.set()
        self.is_whole = rest == b""


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param((*SLOW, None), marks=pytest.mark.soak),
        (*FAST, None),
        pytest.param((*FAST, SMALL_BUFFER), marks=pytest.mark.soak),
    ],
    ids=["slow", "fast", "fast and read slowly"],
)
async def test_lines_that_were_taken_are_answered_before_the_answer_ends(
    staying: Client, leaving: Process, kind: tuple[int, float, int | None]
) -> None:
    uploads = [Upload(await staying.start(), *kind) for _ in range(UPLOADS)]
    running = [asyncio.ensure_future(upload.run(leaving.url)) for upload in uploads]
    await asyncio.gather(*(upload.begun.wait() for upload in uploads))
    leaving.signal(signal.SIGTERM)

    code = await leaving.ended(30)

    await asyncio.gather(*running)
    for upload in uploads:
        *receipts, last = upload.heard
        stored = await all_stored(staying, upload.stream)
        assert upload.is_whole
        assert (last["code"], last["retriable"]) == ("overloaded", True), last
        assert "not stored" in last["detail"]
        assert [receipt.get("record_id") for receipt in receipts] == [r["source"] for r in stored]
        assert [result["data"] for result in stored] == list(range(len(receipts)))
    assert code == 0


async def all_stored(client: Client, stream: str) -> list[Json]:
    """End a stream, and return its results."""
    assert (await client.http.post(f"/stream/{stream}/end")).status_code == 202
    results: list[Json] = []
    page: Json = {"cursor": None, "end": False}
    async with asyncio.timeout(40):
        while not page["end"]:
            place = {} if page["cursor"] is None else {"cursor": page["cursor"]}
            page = await client.page(stream, limit=1_000, wait=5, **place)
            results += page["results"]
    assert results.pop()["kind"] == "end"
    return results


async def test_sends_of_a_socket_have_their_receipts_before_it_is_closed(
    staying: Client, leaving: Process
) -> None:
    streams = [await staying.start() for _ in range(UPLOADS)]
    async with Client(leaving.url) as client:
        pouring = [asyncio.ensure_future(poured(client, stream)) for stream in streams]
        await asyncio.sleep(0.5)
        leaving.signal(signal.SIGTERM)

        code = await leaving.ended(30)

        poured_out = await asyncio.gather(*pouring)
    for stream, (receipts, close_code) in zip(streams, poured_out, strict=True):
        stored = await all_stored(staying, stream)
        assert close_code == 1012
        assert receipts, "nothing was under way"
        assert [receipt["record_id"] for receipt in receipts] == [r["source"] for r in stored]
        assert [receipt["ref"] for receipt in receipts] == list(range(len(stored)))
    assert code == 0


async def poured(client: Client, stream: str) -> tuple[list[Json], int | None]:
    """Send frames as fast as they are taken until closed; return the receipts, and the code."""
    receipts: list[Json] = []
    async with client.socket(stream, "?from=now") as socket:
        sending = asyncio.ensure_future(pour(socket))
        try:
            while True:
                told = json.loads(await socket.recv())
                assert told["type"] != "error", told
                if told["type"] == "receipt":
                    receipts.append(told)
        except ConnectionClosed:
            return receipts, socket.close_code
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def pour(socket: ClientConnection) -> None:
    for number in count():
        await socket.send(json.dumps({"type": "send", "data": number, "ref": number}))
        # It returns at once as long as the kernel takes bytes: let the receipts be read.
        await asyncio.sleep(0)
