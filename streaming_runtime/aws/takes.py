"""Limits beside that of requests, counted in DynamoDB: each bucket is one conditional update."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from streaming_runtime.aws import items
from streaming_runtime.aws.calls import Dynamo
from streaming_runtime.aws.limits import DynamoLimits
from streaming_runtime.core.errors import StreamingError
from streaming_runtime.core.limits import Verdict
from streaming_runtime.core.takes import Take, size_of

log = logging.getLogger("millrace.aws")

# Sizes come with the settings, and with keys that have limits of their own.
MOST_SIZES = 1_000


class DynamoTakes:
    """Implements core.takes.SharedTakes; what was taken is given back when a later one refuses."""

    def __init__(self, dynamo: Dynamo, now: Callable[[], float] = time.time) -> None:
        self._dynamo = dynamo
        self._now = now
        self._limits: dict[tuple[int, int], DynamoLimits] = {}

    async def take_all(self, takes: Sequence[Take]) -> list[Verdict]:
        told: list[Verdict] = []
        for position, take in enumerate(takes):
            told.append(await self._of(take).take(take.bucket, take.tokens))
            if not told[-1].is_admitted:
                await self._give_back(takes[:position])
                break
        return told

    async def _give_back(self, takes: Sequence[Take]) -> None:
        for take in takes:
            try:
                await self._of(take).give_back(take.bucket, take.tokens)
            except StreamingError as failure:
                # It flows in again; the refusal stands.
                log.info("a take was not given back", extra={"reason": failure.code})

    def _of(self, take: Take) -> DynamoLimits:
        size = size_of(take.bucket)
        if size not in self._limits:
            if len(self._limits) >= MOST_SIZES:
                self._limits.clear()
            self._limits[size] = DynamoLimits(self._dynamo, *size, self._now, items.take_key)
        return self._limits[size]
