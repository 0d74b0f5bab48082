"""Every adapter of core.ports.KeyClaims, as two replicas have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from streaming_runtime.aws.claims import DynamoClaims
from streaming_runtime.core.clock import now_ms
from streaming_runtime.core.ports import KeyClaims
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.topics import ensure_topics
from tests.aws.table import dynamo, emulated_table
from tests.core.keys import MemoryClaims, Shared
from tests.kafka.keys import running_claims


class Claimants(NamedTuple):
    """The same keys, as two processes have them."""

    one: KeyClaims
    other: KeyClaims


@asynccontextmanager
async def kafka_claims(settings: KafkaSettings) -> AsyncIterator[Claimants]:
    await ensure_topics(settings)
    async with running_claims(settings) as one, running_claims(settings) as other:
        yield Claimants(one, other)


@asynccontextmanager
async def memory_claims(_: KafkaSettings) -> AsyncIterator[Claimants]:
    shared = Shared()
    yield Claimants(MemoryClaims(shared), MemoryClaims(shared))


@asynccontextmanager
async def dynamo_claims(_: KafkaSettings) -> AsyncIterator[Claimants]:
    with emulated_table(), dynamo() as one, dynamo() as other:
        yield Claimants(DynamoClaims(one, now_ms), DynamoClaims(other, now_ms))


CLAIMS = {"kafka": kafka_claims, "dynamodb": dynamo_claims, "memory": memory_claims}
