"""Readings over real topics: what is gone is told exactly once, then comes all that exists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError

from streaming_runtime.core.cursor import CursorSeal
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.model import Stream
from streaming_runtime.core.ports import ResultsLog
from streaming_runtime.core.reading import Gap, Readings, Start
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from tests.contracts.adapters import WAITING_LOGS, KafkaLog, WrittenLog, stream_of

SEAL = CursorSeal(b"secret")


@pytest.fixture(params=WAITING_LOGS)
async def written(
    request: pytest.FixtureRequest, unmade: KafkaSettings
) -> AsyncIterator[WrittenLog]:
    async with WAITING_LOGS[request.param](unmade) as written:
        yield written


async def no_time(_: float) -> None:
    """Pass the time in which a lagging broker would catch up: these do not lag."""


class Client:
    """A reader that comes back with the last id it has, as a browser does."""

    def __init__(self, log: ResultsLog, stream: Stream) -> None:
        self.gaps: list[Gap] = []
        self.sources: list[int] = []
        self.id = ""
        self._readings = Readings(log, SEAL, no_time)
        self._stream = stream

    async def connect(self, most: int = 1_000, wait_seconds: float = 0.0) -> None:
        """Read what there is up to ``most`` results, and drop."""
        start = Start("cursor", cursor=self.id) if self.id else Start()
        cursor, gap = await self._readings.begin(self._stream, start)
        if gap is not None:
            self.gaps.append(gap)
            self.id = gap.earliest
        end = (await self._readings.log.bounds(self._stream.partition)).end
        async with self._readings.open(self._stream, cursor) as reader:
            while len(self.sources) < most and reader.ending is None and reader.offset < end:
                for delivery in await reader.take(10, end):
                    self.sources.append(delivery.result.entry.height.offset)
                self.id = reader.cursor_id
            if reader.ending is None and wait_seconds:
                await reader.take(wait_seconds)
                self.id = reader.cursor_id


async def made_anew(settings: KafkaSettings) -> None:
    """Put an empty results topic in the place of the one that is there."""
    topic = settings.results_topic
    admin = clients.admin(settings)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        async with asyncio.timeout(20):
            while True:
                answer = await admin.create_topics([NewTopic(topic, settings.partitions, 1)])
                if answer.topic_errors[0][1] == 0:
                    return
                await asyncio.sleep(0.05)
    finally:
        await admin.close()


async def write_all(written: WrittenLog, stream: Stream, first: int, last: int) -> None:
    for source in range(first, last):
        await written.write(stream, source)


async def test_what_was_trimmed_while_a_reader_was_away_is_told_once(written: WrittenLog) -> None:
    stream = stream_of(written)
    client, other = Client(written.log, stream), Client(written.log, stream)
    await write_all(written, stream, 0, 3)
    await client.connect()
    await write_all(written, stream, 3, 9)
    await written.forget_before(5)

    await client.connect(most=5)
    await client.connect()
    await other.connect()
    await other.connect()

    assert client.sources == [0, 1, 2, 5, 6, 7, 8]
    assert other.sources == [5, 6, 7, 8]
    assert [gap.reason for gap in client.gaps + other.gaps] == ["retention"] * 2
    assert other.gaps[0].requested is None


async def test_nobody_is_told_of_what_he_had_already(written: WrittenLog) -> None:
    mine, theirs = stream_of(written), stream_of(written)
    client = Client(written.log, mine)
    await write_all(written, mine, 0, 3)
    await write_all(written, theirs, 3, 6)
    # It was there while the others' results passed, so its cursor stands behind them.
    await client.connect()
    await written.forget_before(6)
    await write_all(written, mine, 6, 8)

    await client.connect()

    assert client.gaps == []
    assert client.sources == [0, 1, 2, 6, 7]


async def test_what_is_trimmed_under_a_reader_is_told_when_it_comes_back(
    written: WrittenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming_runtime.live.partition.RING_RESULTS", 2)
    monkeypatch.setattr("streaming_runtime.live.hub.PRIME_RESULTS", 2)
    stream = stream_of(written)
    await write_all(written, stream, 0, 9)
    readings = Readings(written.log, SEAL)
    cursor, gap = await readings.begin(stream, Start())
    assert gap is None
    client = Client(written.log, stream)
    # Between the decision and the first fetch: the log is trimmed where the reader stands.
    await written.forget_before(6)

    async with asyncio.timeout(20), readings.open(stream, cursor) as reader:
        try:
            while reader.ending is None:
                assert await reader.take(10) == []
        except BrokerUnavailable:
            pass  # What a function says: its client comes back.
        client.id = reader.cursor_id
    await client.connect()
    await client.connect()

    assert client.sources == [6, 7, 8]
    assert [told.reason for told in client.gaps] == ["retention"]


async def test_a_log_restored_from_an_older_state_is_told_once_and_read_from_its_start(
    written: WrittenLog,
) -> None:
    assert isinstance(written, KafkaLog)
    stream = stream_of(written)
    client = Client(written.log, stream)
    await write_all(written, stream, 0, 9)
    await client.connect()

    await made_anew(written.settings)
    async with asyncio.timeout(20):
        # Its sources begin anew too: the height of before must silence none of them.
        await until_written(written, stream)
        await write_all(written, stream, 1, 3)
    await connected_again(client)
    await write_all(written, stream, 3, 4)
    await client.connect()

    assert client.sources == [*range(9), 0, 1, 2, 3]
    assert [gap.reason for gap in client.gaps] == ["truncated"]


async def test_a_reader_under_whom_the_log_is_made_shorter_is_told_though_it_has_grown_again(
    unmade: KafkaSettings,
) -> None:
    async with WAITING_LOGS["hub"](unmade) as written:
        assert isinstance(written, KafkaLog)
        stream = stream_of(written)
        client = Client(written.log, stream)
        await write_all(written, stream, 0, 9)
        live = asyncio.ensure_future(client.connect(wait_seconds=30))
        async with asyncio.timeout(10):
            while len(client.sources) < 9:
                await asyncio.sleep(0.01)

        await made_anew(unmade)
        async with asyncio.timeout(30):
            await until_written(written, stream)
            await live
        await write_all(written, stream, 1, 20)
        await client.connect()
        await client.connect()

    assert client.sources == [*range(9), *range(20)]
    assert [gap.reason for gap in client.gaps] == ["truncated"]


async def until_written(written: WrittenLog, stream: Stream) -> None:
    """Write the first result of a topic made anew, which producers do not know at once."""
    while True:
        try:
            async with asyncio.timeout(5):
                return await written.write(stream, 0)
        except (KafkaError, TimeoutError):
            await asyncio.sleep(0.1)


async def connected_again(client: Client) -> None:
    """Connect as soon as the consumers have found the new topic."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await client.connect()
            except BrokerUnavailable:
                await asyncio.sleep(0.1)
