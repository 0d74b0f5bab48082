"""What a function keeps in DynamoDB: streams, the use of Idempotency-Keys, and limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from streaming_runtime.aws.calls import Dynamo
from streaming_runtime.aws.claims import DynamoClaims
from streaming_runtime.aws.limits import DynamoLimits
from streaming_runtime.aws.registry import DynamoRegistry
from streaming_runtime.core.settings import Settings


class DynamoParts(NamedTuple):
    """The ports over one table; no limits where they are off."""

    registry: DynamoRegistry
    claims: DynamoClaims
    limits: DynamoLimits | None


@asynccontextmanager
async def dynamo_parts(settings: Settings, now_ms: Callable[[], int]) -> AsyncIterator[DynamoParts]:
    """Give the ports over the table of the settings; nothing is opened before it is used."""
    dynamo = Dynamo(settings.table)
    claims = DynamoClaims(dynamo, now_ms)
    rate, burst = settings.limits.per_second, settings.limits.burst
    limits = DynamoLimits(dynamo, rate, burst) if rate else None
    try:
        yield DynamoParts(DynamoRegistry(dynamo), claims, limits)
    finally:
        await claims.close()
        dynamo.close()
