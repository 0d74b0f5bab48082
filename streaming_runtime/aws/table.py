"""What processes remember in a table instead of in Kafka, opened together."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from streaming_runtime.aws.calls import Dynamo
from streaming_runtime.aws.claims import DynamoClaims
from streaming_runtime.aws.keys import DynamoKeys
from streaming_runtime.aws.limits import DynamoLeases, DynamoLimits
from streaming_runtime.aws.registry import DynamoRegistry
from streaming_runtime.aws.takes import DynamoTakes
from streaming_runtime.core.cached_keys import CachedKeys
from streaming_runtime.core.lease_terms import LeaseTerms
from streaming_runtime.core.ports import Kept
from streaming_runtime.core.settings import Settings


@asynccontextmanager
async def kept_in_table(settings: Settings, now_ms: Callable[[], int]) -> AsyncIterator[Kept]:
    """Give the ports over the table of the settings; nothing is connected before it is used."""
    dynamo = Dynamo(settings.table)
    claims = DynamoClaims(dynamo, now_ms)
    rate, burst = settings.limits.per_second, settings.limits.burst
    limits = DynamoLimits(dynamo, rate, burst) if rate else None
    leases = DynamoLeases(limits, LeaseTerms.of(rate, burst).hold_ms) if limits else None
    try:
        keys = CachedKeys(DynamoKeys(dynamo), time.time)
        takes = DynamoTakes(dynamo)
        yield Kept(DynamoRegistry(dynamo), claims, limits, leases, takes, keys)
    finally:
        await claims.close()
        dynamo.close()
