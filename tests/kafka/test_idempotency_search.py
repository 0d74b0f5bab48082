"""Finding the record of a claim among all others of its partition."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from streaming_runtime.core.clock import now_ms
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.model import Processor, Stream, new_stream_id
from streaming_runtime.core.ports import Claim, Ends
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import idempotency_search
from streaming_runtime.kafka.idempotency_search import KafkaInput
from tests.kafka.parts import asking_offsets, in_background, plain_producer, reader
from tests.kafka.proxy import Proxy

PARTITION = 1


@asynccontextmanager
async def searching(settings: KafkaSettings) -> AsyncIterator[KafkaInput]:
    async with asking_offsets(settings) as offsets:
        topics = settings.input_topic, settings.results_topic
        searched = KafkaInput(*topics, offsets, lambda: reader(settings))
        async with in_background(searched.run()):
            yield searched


def a_stream() -> Stream:
    return Stream(new_stream_id(), "acme", Processor("identity"), "AAAAAAAA", PARTITION, 0, 1)


def claim(start: int = 0, at: int | None = None) -> Claim:
    return Claim(0, b"", Ends(start, 0), now_ms() if at is None else at)


async def write(
    producer: AIOKafkaProducer,
    settings: KafkaSettings,
    stream: Stream,
    key: str | None,
    at: int | None = None,
) -> int:
    sent = await producer.send_and_wait(
        settings.input_topic,
        b"1",
        stream.stream_id.encode(),
        partition=PARTITION,
        timestamp_ms=at,
        headers=[] if key is None else [("idempotency-key", key.encode())],
    )
    offset: int = sent.offset
    return offset


async def test_the_first_record_of_each_name_is_found(settings: KafkaSettings) -> None:
    mine, theirs = a_stream(), a_stream()
    async with plain_producer(settings) as producer, searching(settings) as searched:
        for stream, key in ((theirs, "a"), (mine, None), (mine, "x")):
            await write(producer, settings, stream, key)
        ends = await searched.ends(PARTITION)
        offsets = [await write(producer, settings, mine, key) for key in ("a", "b", "a", "c")]

        found = await searched.landed(mine, {"a", "b", "z"}, claim())
        behind = await searched.landed(mine, {"a", "b"}, claim(offsets[1]))

    assert ends == Ends(3, 0)
    assert found == {"a": offsets[0], "b": offsets[1]}
    assert behind == {"b": offsets[1], "a": offsets[2]}


async def test_an_empty_partition_holds_nothing(settings: KafkaSettings) -> None:
    async with searching(settings) as searched:
        assert await searched.landed(a_stream(), {"a"}, claim()) == {}
        assert await searched.landed(a_stream(), {"a"}, claim(99)) == {}


async def test_what_was_sent_long_after_the_claim_is_not_looked_at(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency_search, "TURN_RECORDS", 1)
    stream, now = a_stream(), now_ms()
    async with plain_producer(settings) as producer, searching(settings) as searched:
        await write(producer, settings, stream, None, now)
        await write(producer, settings, stream, None, now + idempotency_search.LANDING_MS + 1)
        last = await write(producer, settings, stream, "a", now)

        assert await searched.landed(stream, {"a"}, claim(at=now)) == {}
        assert await searched.landed(stream, {"a"}, claim(at=now + 1)) == {"a": last}


async def test_many_look_at_once_and_each_finds_its_own(settings: KafkaSettings) -> None:
    streams = [a_stream() for _ in range(100)]
    async with plain_producer(settings) as producer, searching(settings) as searched:
        offsets = [await write(producer, settings, stream, "k") for stream in streams]

        found = await asyncio.gather(
            *(searched.landed(stream, {"k"}, claim(n)) for n, stream in enumerate(streams))
        )

    assert found == [{"k": offset} for offset in offsets]


async def test_between_two_searches_nothing_is_read(
    proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    async with plain_producer(proxied_settings) as producer, searching(proxied_settings) as log:
        await write(producer, proxied_settings, a_stream(), "k")
        await log.landed(a_stream(), {"k"}, claim())
        await asyncio.sleep(0.3)  # A fetch that is under way comes to its end.
        before = proxy.requests
        await asyncio.sleep(0.5)

        assert proxy.requests - before <= 2  # Not one for each 40 ms.
        place = TopicPartition(proxied_settings.input_topic, PARTITION)
        assert log._consumer is not None and place not in log._consumer.assignment()


async def test_a_search_that_cannot_read_says_so_in_time_and_the_next_one_can(
    proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    stream = a_stream()
    async with plain_producer(proxied_settings) as producer, searching(proxied_settings) as log:
        offset = await write(producer, proxied_settings, stream, "k")
        proxy.switch("hole")
        with pytest.raises(BrokerUnavailable):
            async with asyncio.timeout(3):
                await log.landed(stream, {"k"}, claim())
        proxy.switch("pass")
        proxy.reset()
        async with asyncio.timeout(20):
            while True:
                try:
                    assert await log.landed(stream, {"k"}, claim()) == {"k": offset}
                    break
                except BrokerUnavailable:
                    await asyncio.sleep(0.1)
