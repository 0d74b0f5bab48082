"""Whether Kafka answers: asked each second, because a client of it may wait without a word."""

from __future__ import annotations

import asyncio
import time

from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.kafka.offsets import Offsets

ASK_SECONDS = 1.0
# One lost answer is no outage: a broker that is stopped and started again takes two.
SILENCE_SECONDS = 3.0


class Pulse:
    """Remembers when Kafka last answered."""

    def __init__(self, offsets: Offsets, topic: str) -> None:
        self._offsets = offsets
        self._topic = topic
        self._answered_at = time.monotonic()

    @property
    def is_felt(self) -> bool:
        return time.monotonic() - self._answered_at < ASK_SECONDS + SILENCE_SECONDS

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            asked_at = time.monotonic()
            try:
                await self._offsets.bounds(self._topic, 0)
                self._answered_at = asked_at
            except BrokerUnavailable:
                pass  # Its age tells.
            await asyncio.sleep(ASK_SECONDS)
