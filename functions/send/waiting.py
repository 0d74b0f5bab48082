"""Prefer: wait=N: the result in the answer to the send, when it comes in time."""

from __future__ import annotations

import asyncio
import re

from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.model import Height, Position, Receipt, Stream
from streaming_runtime.core.reading import Readings

MAX_WAIT_SECONDS = 25
WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?:$|[,;])", re.IGNORECASE)


def wait_preference(prefer: str) -> int:
    """Return the seconds a client prefers to wait, 0 for none; what cannot be read is no error.

    Source:  RFC 7240, section 4.3.
    """
    match = WAIT.search(prefer)
    return min(int(match[1]), MAX_WAIT_SECONDS) if match else 0


async def answer_with_result(
    readings: Readings, stream: Stream, receipt: Receipt, seconds: int
) -> bytes | None:
    """Return the result object of a record, None if it has not come within ``seconds``.

    The position is the stream's first one: the height, just below the record, passes the rest.
    """
    below = Height(receipt.offset - 1, 9_999)
    position = Position(await _first_offset(readings, stream), below)
    cursor = Cursor(readings.log.incarnation.id, position)
    deadline = asyncio.get_running_loop().time() + seconds
    async with readings.open(stream, cursor) as reader:
        while (left := deadline - asyncio.get_running_loop().time()) > 0 and not reader.ending:
            for delivery in await reader.take(left):
                if delivery.result.entry.height.offset == receipt.offset:
                    return delivery.result.json()
    return None


async def _first_offset(readings: Readings, stream: Stream) -> int:
    bounds = await readings.log.bounds(stream.partition)
    if stream.incarnation != readings.log.incarnation.id:
        return bounds.earliest
    return max(bounds.earliest, stream.first_offset)
