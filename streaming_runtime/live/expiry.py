"""The clock of streams with a time to live: when it is over, they end as if their owner had."""

from __future__ import annotations

import asyncio
import logging
import random

from streaming_runtime.core.errors import StreamingError
from streaming_runtime.core.model import Stream
from streaming_runtime.core.ports import OverdueStreams
from streaming_runtime.core.streams import Streams

log = logging.getLogger("millrace.live.expiry")

LOOK_SECONDS = 0.5
# Ended at the same time: each waits for its grace, so one after the other would take too long.
TOGETHER = 100


class Expiry:
    """Ends the streams whose time is over.

    Every replica looks; the moments differ, and whoever is first spares the others the work. Two
    that end one stream at once are harmless: a stream has one end for its readers, the first.
    """

    def __init__(self, registry: OverdueStreams, streams: Streams) -> None:
        self._registry = registry
        self._streams = streams

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(random.uniform(0.5, 1.5) * LOOK_SECONDS)
            due = await self._due()
            for first in range(0, len(due), TOGETHER):
                await asyncio.gather(*map(self._end, due[first : first + TOGETHER]))

    async def _due(self) -> list[Stream]:
        try:
            return await self._registry.due(self._streams.now_ms())
        except StreamingError as failure:
            log.warning("what is due cannot be read yet", extra={"reason": failure.code})
            return []

    async def _end(self, stream: Stream) -> None:
        try:
            await self._streams.end(stream)
        except StreamingError as failure:
            # It stays due, and is tried again at the next look.
            log.warning(
                "a stream could not be ended yet",
                extra={"stream_id": stream.stream_id, "reason": failure.code},
            )
