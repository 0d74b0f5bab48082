"""What processes remember in a table instead of in Kafka, opened together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from streaming_runtime.aws.calls import Dynamo
from streaming_runtime.aws.claims import DynamoClaims
from streaming_runtime.aws.registry import DynamoRegistry
from streaming_runtime.core.ports import Kept


@asynccontextmanager
async def kept_in_table(name: str, now_ms: Callable[[], int]) -> AsyncIterator[Kept]:
    """Open the table; nothing is connected before the first call of it."""
    dynamo = Dynamo(name)
    claims = DynamoClaims(dynamo, now_ms)
    try:
        yield Kept(DynamoRegistry(dynamo), claims)
    finally:
        await claims.close()
        dynamo.close()
