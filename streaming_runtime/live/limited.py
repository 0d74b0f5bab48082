"""The gate of a long-running process: its limits are those of all processes together."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streaming_runtime.core.further_limits import FurtherLimits
from streaming_runtime.core.leasing import LeasedLimits, LeaseStore
from streaming_runtime.core.limits import TenantLimits
from streaming_runtime.core.ports import HeldLimits, Kept
from streaming_runtime.core.settings import LimitSettings
from streaming_runtime.http.credentials import Credentials
from streaming_runtime.http.gate import Gate, HeldGate
from streaming_runtime.kafka.connection import Connected
from streaming_runtime.kafka.shared_limits_parts import limits_over


@asynccontextmanager
async def gate_over(
    limits: LimitSettings, credentials: Credentials, kafka: Connected, kept: Kept
) -> AsyncIterator[Gate]:
    """Give a gate that counts in Kafka, or in ``kept`` where what is shared is kept elsewhere.

    Shape:   open readers are counted in Kafka wherever the rest is: functions have none.
    """
    own = TenantLimits(limits.per_second, limits.burst, limits.readers, time.monotonic)
    async with limits_over(kafka, limits) as shared:
        further = FurtherLimits(limits.further, time.monotonic, kept.takes or shared)
        if not limits.per_second:
            yield Gate(credentials, own, further, shared.readers)
            return
        async with _held(limits, kept.leases, shared) as held:
            yield HeldGate(credentials, own, held, further, shared.readers)


@asynccontextmanager
async def _held(
    limits: LimitSettings, leases: LeaseStore | None, shared: HeldLimits
) -> AsyncIterator[HeldLimits]:
    if leases is None:
        yield shared
        return
    leased = LeasedLimits(leases, limits.burst, time.monotonic)
    try:
        yield leased
    finally:
        await leased.close()
