"""What a function opens: Kafka for records and results, and a registry beside it or in it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from functions.prompt import PromptKeys, PromptLog, PromptRegistry
from streaming_runtime.core.clock import now_ms
from streaming_runtime.core.cursor import CursorSeal
from streaming_runtime.core.ports import (
    InputLog,
    KeyClaims,
    KnownKeys,
    RecordSink,
    ResultsLog,
    SharedLimits,
    StreamRegistry,
)
from streaming_runtime.core.results import ResultEncoder
from streaming_runtime.core.settings import Settings
from streaming_runtime.core.takes import SharedTakes
from streaming_runtime.core.vitals import Vitals
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.connection import Connected, connected
from streaming_runtime.kafka.direct_results import DirectResults
from streaming_runtime.kafka.idempotency_parts import idempotency_over, input_log_over


class Parts(NamedTuple):
    """The ports of core.ports that the routes work with."""

    registry: StreamRegistry
    sink: RecordSink
    log: ResultsLog
    claims: KeyClaims
    input_log: InputLog
    limits: SharedLimits | None = None
    takes: SharedTakes | None = None
    keys: KnownKeys | None = None


class Opened(NamedTuple):
    """The parts, what of them must not end, and what closes them."""

    settings: Settings
    parts: Parts
    vitals: Vitals
    kept: AsyncExitStack


async def open_parts(settings: Settings) -> Opened:
    """Open everything that these settings name.

    Raises:  BrokerUnavailable; ConfigurationInvalid.
    """
    async with AsyncExitStack() as stack:
        kafka = await stack.enter_async_context(connected(settings.kafka))
        log = PromptLog(await stack.enter_async_context(_results(settings, kafka)))
        # Topics that were made anew have other partitions and positions: all is opened again then.
        replaced = kafka.registry.until_replaced(kafka.incarnation)
        kafka.vitals.start("the incarnation of the topics", replaced)
        parts = await stack.enter_async_context(_parts(settings, kafka, log))
        return Opened(settings, parts, kafka.vitals, stack.pop_all())


@asynccontextmanager
async def _parts(settings: Settings, kafka: Connected, log: ResultsLog) -> AsyncIterator[Parts]:
    """Give what Kafka and, if it is asked for, DynamoDB make together."""
    if settings.registry == "kafka":
        claims, input_log = idempotency_over(kafka, now_ms)
        keys = PromptKeys(kafka.registry, time.time)
        registry = PromptRegistry(kafka.registry)
        yield Parts(registry, kafka.sink, log, claims, input_log, keys=keys)
        return
    # Brings boto3, which takes longer to import than all else.
    from streaming_runtime.aws.table import kept_in_table  # noqa: PLC0415

    async with kept_in_table(settings, now_ms) as kept:
        yield Parts(
            kept.streams,
            kafka.sink,
            log,
            kept.claims,
            input_log_over(kafka),
            kept.limits,
            kept.takes,
            kept.keys,
        )


@asynccontextmanager
async def _results(settings: Settings, kafka: Connected) -> AsyncIterator[DirectResults]:
    seal = CursorSeal(settings.credentials.signing_secret)
    log = DirectResults(
        settings.kafka.results_topic,
        settings.kafka.input_topic,
        kafka.incarnation,
        ResultEncoder(seal, kafka.incarnation.id),
        kafka.offsets,
        lambda: kafka.results_consumer(clients.REPLAY_WAIT_MS, clients.REPLAY_PARTITION_BYTES),
        kafka.producer.freshness,
    )
    try:
        yield log
    finally:
        await log.close()
