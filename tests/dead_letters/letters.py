"""Dead letters as processing leaves them, and the command about them as a process."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer

from streaming_runtime.core.entries import to_json
from streaming_runtime.core.model import Processor, Stream, new_incarnation
from streaming_runtime.core.settings import KafkaSettings
from tests.product import ROOT

SECONDS = 50


@dataclass(frozen=True)
class Left:
    """A letter as a test means it."""

    value: bytes | None
    key: bytes | None
    reason: bytes = b"The data is not valid JSON"
    headers: Sequence[tuple[str, bytes | None]] = ()
    source: bytes = b"1-7"
    processor: bytes = b'{"name":"identity"}'
    age_ms: int = 0

    def written(self) -> list[tuple[str, bytes | None]]:
        record = [("kind", b"record"), ("processor", self.processor), ("sent-at", b"1700000000000")]
        added = [("source", self.source), ("reason", self.reason), ("attempts", b"3")]
        return [*record, *self.headers, *added]


@dataclass(frozen=True)
class Said:
    """What the command has said, and its exit code."""

    code: int
    out: str
    err: str = field(repr=False)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


async def leave(settings: KafkaSettings, *letters: Left) -> list[str]:
    """Write the letters and return their places."""
    now = time.time_ns() // 1_000_000
    async with AIOKafkaProducer(bootstrap_servers=settings.broker, linger_ms=5) as producer:
        waiting = [
            await producer.send(
                settings.dead_letter_topic,
                letter.value,
                letter.key,
                headers=letter.written(),
                timestamp_ms=now - letter.age_ms,
            )
            for letter in letters
        ]
        stored = [await future for future in waiting]
    return [f"{metadata.partition}-{metadata.offset}" for metadata in stored]


async def start_streams(settings: KafkaSettings, *keys: bytes, ended_at: int | None = None) -> None:
    """Write the registry's entries of streams."""
    async with AIOKafkaProducer(bootstrap_servers=settings.broker) as producer:
        for key in keys:
            entry = to_json(a_stream(key, ended_at=ended_at))
            await producer.send_and_wait(settings.streams_topic, entry, key)


def a_stream(key: bytes, *, ended_at: int | None = None) -> Stream:
    return Stream(
        stream_id=key.decode(),
        tenant="default",
        processor=Processor("identity"),
        incarnation=new_incarnation(),
        partition=0,
        first_offset=0,
        created_at=time.time_ns() // 1_000_000,
        ended_at=ended_at,
    )


async def command(settings: KafkaSettings, *words: str, **variables: str) -> Said:
    """Run the command, with nobody at its terminal."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streaming_runtime.dead_letters", *words),
        cwd=ROOT,
        env={
            **os.environ,
            "KAFKA_BROKER": settings.broker,
            "KAFKA_TOPIC_PREFIX": settings.topic_prefix,
            **variables,
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return Said(process.returncode or 0, out.decode(), err.decode())
