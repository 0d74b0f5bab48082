"""A hub over real topics, and a hand that writes results as a processing engine would."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer

from streaming_runtime.core.cursor import CursorSeal
from streaming_runtime.core.model import Processor, Stream, new_stream_id
from streaming_runtime.core.results import ResultEncoder
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.connection import Connected, connected
from streaming_runtime.live.hub import Hub

SEAL = CursorSeal(b"secret")


class Results:
    """Writes into the results topic of one cluster, as the Kafka contract says."""

    def __init__(self, kafka: Connected, producer: AIOKafkaProducer) -> None:
        self._kafka = kafka
        self._producer = producer
        self._sources: dict[int, int] = {}

    async def stream(self) -> Stream:
        stream_id = new_stream_id()
        partition = await self._kafka.sink.partition_for(stream_id)
        bounds = await self._kafka.offsets.bounds(self._kafka.settings.results_topic, partition)
        incarnation = self._kafka.incarnation.id
        return Stream(
            stream_id, "default", Processor("identity"), incarnation, partition, bounds.end, 0
        )

    async def write(self, stream: Stream, value: bytes, source: int | None = None) -> str:
        """Append one result; without a source it is the partition's next."""
        if source is None:
            source = self._sources.get(stream.partition, 0)
            self._sources[stream.partition] = source + 1
        name = f"{stream.partition}-{source}"
        headers = [
            ("kind", b"result"),
            ("source", name.encode()),
            ("sent-at", b"1"),
            ("processed-at", b"2"),
        ]
        topic = self._kafka.settings.results_topic
        await self._producer.send_and_wait(topic, value, stream.stream_id.encode(), headers=headers)
        return name


@pytest.fixture
async def kafka(broker: str) -> AsyncIterator[Connected]:
    prefix = f"t{secrets.token_hex(4)}."
    async with connected(KafkaSettings(broker, "plaintext", prefix, 2)) as parts:
        yield parts


@pytest.fixture
async def results(kafka: Connected) -> AsyncIterator[Results]:
    producer = clients.producer(kafka.settings)
    await producer.start()
    yield Results(kafka, producer)
    await producer.stop()


@pytest.fixture
async def hub(kafka: Connected) -> AsyncIterator[Hub]:
    hub = Hub(
        kafka.settings.results_topic,
        kafka.settings.input_topic,
        kafka.incarnation,
        ResultEncoder(SEAL, kafka.incarnation.id),
        kafka.offsets,
        lambda: kafka.results_consumer(clients.LIVE_WAIT_MS, clients.LIVE_PARTITION_BYTES),
        lambda: kafka.results_consumer(clients.REPLAY_WAIT_MS, clients.REPLAY_PARTITION_BYTES),
    )
    pumping = asyncio.ensure_future(hub.pump())
    yield hub
    pumping.cancel()
    await asyncio.wait({pumping})
