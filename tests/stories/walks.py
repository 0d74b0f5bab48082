"""A reader that changes its form and its replica at every cut, the functions among them."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from aiokafka import AIOKafkaProducer

from streaming_runtime.core.model import Stream, new_stream_id
from streaming_runtime.core.settings import KafkaSettings
from tests.client import Client, Json
from tests.functions.lambda_process import LambdaProcess
from tests.kafka.results_writer import ResultsWriter
from tests.product import KEY
from tests.stories.event_bytes import EventBytes
from tests.stories.readers import Reader

# All that a client can choose of the contract; "function ..." is answered by a Lambda handler.
FORMS = ("sse", "lines", "socket", "page", "function sse", "function lines", "function page")
ACCEPTS = {"sse": "text/event-stream", "lines": "application/x-ndjson", "page": "application/json"}
PER_CUT = 24


class Functions:
    """The results function, called by one reader at a time."""

    def __init__(self, process: LambdaProcess) -> None:
        self._process = process
        self._turn = asyncio.Lock()

    async def get(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Json:
        asked = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": urlencode(query),
            "headers": {"host": "api", "x-api-key": KEY, "x-forwarded-proto": "https", **headers},
            "requestContext": {"http": {"method": "GET", "path": path, "sourceIp": "192.0.2.1"}},
            "isBase64Encoded": False,
        }
        async with self._turn:
            return await asyncio.to_thread(self._process.call, "results", asked)


class Walker(Reader):
    """Reads a stream to its end in many pieces; ``cuts`` counts them."""

    def __init__(self, clients: Sequence[Client], functions: Functions, stream: str) -> None:
        super().__init__(clients[0], stream)
        self.cuts = 0
        self._clients = clients
        self._functions = functions

    async def walk(self, forms: Sequence[str], query: Mapping[str, str] | None = None) -> None:
        """Go on until a reading is over, each time over another form and for a little while."""
        while not await self.cut(random.choice(forms), query):
            self.cuts += 1

    async def cut(self, form: str, query: Mapping[str, str] | None = None) -> bool:
        self.client = random.choice(self._clients)
        most = random.randint(1, PER_CUT)
        if form.startswith("function"):
            return await self.function(form.partition(" ")[2], most, dict(query or {}))
        return await self.over(form, most, query)

    async def function(self, form: str, most: int, query: dict[str, str]) -> bool:
        """Read one finite answer, of which only ``most`` results arrive before the cut."""
        headers = {"accept": ACCEPTS[form]}
        asked = self._at(query)
        if form == "sse" and self.cursor is not None:
            headers["last-event-id"] = asked.pop("cursor")
        if form == "page":
            asked["limit"] = str(most)
        answer = await self._functions.get(self._path, asked, headers)
        if answer["statusCode"] == 204:
            return True
        assert answer["statusCode"] == 200, answer
        return self._read_answer(form, answer["body"].encode(), most)

    def _read_answer(self, form: str, body: bytes, most: int) -> bool:
        if form == "page":
            page = json.loads(body)
            self.results += page["results"]
            self.cursor = page["cursor"]
            return bool(page["end"])
        until = len(self.results) + most
        for name, found, event_id in _events(form, body):
            if found is not None:
                self._take(name, found, event_id)
            self.cursor = event_id or self.cursor
            if len(self.results) >= until:
                break
        return False


def _events(form: str, body: bytes) -> list[tuple[str, Any, str | None]]:
    if form == "sse":
        events = EventBytes().feed(body)
        return [(e.name, e.json() if e.data else None, e.id) for e in events]
    parsed = [json.loads(line) for line in body.splitlines() if line]
    return [(one.get("control", "message"), one, None) for one in parsed]


class Engine:
    """Writes a partition's results as an engine does that is killed and replays, again and again.

    Shape:   the stream's results among others', repeats of what was written, transactions that are
             committed or not, whose markers use offsets, and what nobody of the contract writes.
    """

    def __init__(
        self, settings: KafkaSettings, producer: AIOKafkaProducer, partition: int, stream: Stream
    ) -> None:
        self._settings = settings
        self._partition = partition
        self._writer = ResultsWriter(settings, producer, partition)
        self._stream = stream
        self._owners: list[Stream] = []

    async def write(self, count: int) -> None:
        """Write ``count`` sources, about half of them the stream's; the last one is its end."""
        while len(self._owners) < count:
            more = min(random.randint(1, 60), count - len(self._owners))
            first = max(0, len(self._owners) - random.choice([0, 0, 5, 40]))
            self._owners += random.choices([self._stream, _another(self._stream)], k=more)
            if random.random() < 0.1:
                await self._transaction(range(first, len(self._owners)))
            else:
                await self._plain(self._writer, range(first, len(self._owners)))
            if random.random() < 0.1:
                await self._writer.raw(None, b"gossip", [])
        await self._writer.result(self._stream, b"null", count, kind=b"end")
        # A zombie wakes up: all that it adds was there before.
        await self._plain(self._writer, range(count - 100, count))

    async def _plain(self, writer: ResultsWriter, sources: range) -> None:
        # In order, and not one by one: what is sent is stored in the order of the calls.
        await asyncio.gather(*(writer.result(self._owners[s], b'{"n":%d}' % s, s) for s in sources))

    async def _transaction(self, sources: range) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.broker,
            transactional_id=f"{self._settings.topic_prefix}{new_stream_id()}",
        )
        await producer.start()
        try:
            writer = ResultsWriter(self._settings, producer, self._partition)
            for is_committed in (False, True):
                await producer.begin_transaction()
                await self._plain(writer, sources)
                await (
                    producer.commit_transaction() if is_committed else producer.abort_transaction()
                )
        finally:
            await producer.stop()


def _another(stream: Stream) -> Stream:
    return Stream(
        new_stream_id(), "other", stream.processor, stream.incarnation, stream.partition, 0, 0
    )


def lambda_environ(settings: Mapping[str, str]) -> dict[str, str]:
    """Return what a function needs to stand beside the servers of a product."""
    names = ("KAFKA_BROKER", "KAFKA_TOPIC_PREFIX", "API_KEY")
    return {name: settings[name] for name in names}
