"""A processing engine of a few lines: what the Kafka contract asks of any, over plain aiokafka."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streaming_runtime.core.settings import KafkaSettings

PROBLEM = {
    "type": "/problems/processing-failed",
    "title": "The record could not be processed",
    "detail": "refused by the engine of these tests",
    "code": "processing-failed",
    "retriable": False,
}


class Engine:
    """Reads every input partition and writes a result for each record, in order.

    Shape:  ``uppercase`` raises the letters of texts, ``reject`` fails, anything else passes on.
            While it is held, records wait.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._going = asyncio.Event()
        self._going.set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        connection: dict[str, Any] = {"bootstrap_servers": self._settings.broker}
        self._producer = AIOKafkaProducer(
            **connection, enable_idempotence=True, max_request_size=2 << 20
        )
        self._consumer = AIOKafkaConsumer(**connection, auto_offset_reset="earliest")
        await self._producer.start()
        await self._consumer.start()
        numbers = range(self._settings.partitions)
        self._consumer.assign([TopicPartition(self._settings.input_topic, n) for n in numbers])
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self._consumer.stop()
        await self._producer.stop()

    def hold(self) -> None:
        self._going.clear()

    def release(self) -> None:
        self._going.set()

    async def _run(self) -> None:
        while True:
            found = await self._consumer.getmany(timeout_ms=1_000)
            await self._going.wait()
            sent = [await self._write(r) for records in found.values() for r in records]
            await asyncio.gather(*sent)

    async def _write(self, record: Any) -> asyncio.Future[Any]:
        """Hand a result to the producer, which keeps the order of what it is handed."""
        headers = dict(record.headers)
        kind, value = _processed(headers, record.value)
        sent: asyncio.Future[Any] = await self._producer.send(
            self._settings.results_topic,
            value,
            record.key,
            partition=record.partition,
            headers=[
                ("kind", kind),
                ("source", b"%d-%d" % (record.partition, record.offset)),
                ("sent-at", headers["sent-at"]),
                ("processed-at", b"%d" % (time.time() * 1000)),
            ],
        )
        return sent


def _processed(headers: dict[str, bytes], value: bytes) -> tuple[bytes, bytes]:
    if headers["kind"] == b"end":
        return b"end", b"null"
    name = json.loads(headers["processor"])["name"]
    if name == "reject":
        return b"failed", json.dumps(PROBLEM).encode()
    return b"result", value.upper() if name == "uppercase" else value
