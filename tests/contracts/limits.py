"""Every adapter of the limits that processes share: two processes over one budget."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

from streaming_runtime.aws.limits import DynamoLeases, DynamoLimits
from streaming_runtime.aws.takes import DynamoTakes
from streaming_runtime.core.lease_terms import LeaseTerms
from streaming_runtime.core.leasing import LeasedLimits
from streaming_runtime.core.ports import HeldLimits
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.core.takes import OwnTakes, SharedTakes
from streaming_runtime.kafka.topics import ensure_topics
from tests.aws.table import dynamo, emulated_table
from tests.eventually import eventually
from tests.kafka.shared import running_limits

PER_SECOND, BURST = 40, 40


class Sharing(NamedTuple):
    """Two processes that let in requests of one budget."""

    one: HeldLimits
    other: HeldLimits


class Taking(NamedTuple):
    """Two processes that take from the same buckets; or one of which both are the same."""

    one: SharedTakes
    other: SharedTakes


@asynccontextmanager
async def kafka_limits(settings: KafkaSettings) -> AsyncIterator[Sharing]:
    await ensure_topics(settings)
    async with (
        running_limits(settings, PER_SECOND, BURST) as one,
        running_limits(settings, PER_SECOND, BURST) as other,
    ):
        yield Sharing(one, other)


@asynccontextmanager
async def dynamo_limits(_: KafkaSettings) -> AsyncIterator[Sharing]:
    hold_ms = LeaseTerms.of(PER_SECOND, BURST).hold_ms
    with emulated_table(), dynamo(call_seconds=60) as one, dynamo(call_seconds=60) as other:
        stores = [
            DynamoLeases(DynamoLimits(each, PER_SECOND, BURST), hold_ms) for each in (one, other)
        ]
        for store in stores:
            store.wait_seconds = 60  # What emulates the table takes its time.
        pair = [LeasedLimits(store, BURST, time.monotonic) for store in stores]
        yield Sharing(*pair)
        for each in pair:
            await each.close()


@asynccontextmanager
async def kafka_takes(settings: KafkaSettings) -> AsyncIterator[Taking]:
    await ensure_topics(settings)
    async with (
        running_limits(settings, 1, 1) as one,
        running_limits(settings, 1, 1) as other,
    ):
        await eventually(lambda: not (one._is_alone or other._is_alone))
        yield Taking(one, other)


@asynccontextmanager
async def dynamo_takes(_: KafkaSettings) -> AsyncIterator[Taking]:
    with emulated_table(), dynamo(call_seconds=60) as one, dynamo(call_seconds=60) as other:
        yield Taking(DynamoTakes(one), DynamoTakes(other))


@asynccontextmanager
async def own_takes(_: KafkaSettings) -> AsyncIterator[Taking]:
    own = OwnTakes(time.monotonic)
    yield Taking(own, own)


TAKES: dict[str, Callable[[KafkaSettings], AbstractAsyncContextManager[Taking]]] = {
    "memory": own_takes,
    "kafka": kafka_takes,
    "dynamodb": dynamo_takes,
}
LIMITS: dict[str, Callable[[KafkaSettings], AbstractAsyncContextManager[Sharing]]] = {
    "kafka": kafka_limits,
    "dynamodb": dynamo_limits,
}
