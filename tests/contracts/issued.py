"""Every adapter of core.ports.IssuedKeyStore, as two processes have it."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from streaming_runtime.aws.keys import DynamoKeys
from streaming_runtime.core.key_file import KeyFile
from streaming_runtime.core.ports import IssuedKeyStore
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.issued_keys import KafkaKeys
from streaming_runtime.kafka.topics import ensure_topics
from tests.aws.table import dynamo, emulated_table
from tests.core.issued import MemoryKeys
from tests.kafka.parts import running_registry


class Holders(NamedTuple):
    """The same keys, as two processes have them."""

    one: IssuedKeyStore
    other: IssuedKeyStore


@asynccontextmanager
async def kafka_keys(settings: KafkaSettings) -> AsyncIterator[Holders]:
    await ensure_topics(settings)
    async with running_registry(settings) as one, running_registry(settings) as other:
        yield Holders(KafkaKeys(one), KafkaKeys(other))


@asynccontextmanager
async def dynamo_keys(_: KafkaSettings) -> AsyncIterator[Holders]:
    with emulated_table(), dynamo(call_seconds=60) as one, dynamo(call_seconds=60) as other:
        yield Holders(DynamoKeys(one), DynamoKeys(other))


@asynccontextmanager
async def file_keys(_: KafkaSettings) -> AsyncIterator[Holders]:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / f"{secrets.token_hex(4)}.json")
        one, other = KeyFile(path, time.monotonic), KeyFile(path, time.monotonic)
        # A file is made by its first key.
        yield Holders(one, other)


@asynccontextmanager
async def memory_keys(_: KafkaSettings) -> AsyncIterator[Holders]:
    keys = MemoryKeys()
    yield Holders(keys, keys)


KEYS = {"kafka": kafka_keys, "dynamodb": dynamo_keys, "file": file_keys, "memory": memory_keys}
