"""Prefer: wait=N: the result in the answer to the send, when it comes in time."""

from __future__ import annotations

import asyncio
import re

from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.errors import StreamingError
from streaming_runtime.core.model import Height, Position, Receipt, Stream
from streaming_runtime.core.reading import Reader, Readings

MAX_WAIT_SECONDS = 25
WAIT = re.compile(r"\s*wait\s*=\s*(?:\"(\d{1,9})\"|(\d{1,9}))\s*(?:;.*)?", re.IGNORECASE)
# Above every sub-index that a record before this one can have.
LAST_PART = 9_999


def wait_preference(prefer: str) -> int:
    """Return the seconds a client prefers to wait, 0 for none; what cannot be read is no error.

    Source:  RFC 7240, sections 2 and 4.3: of two preferences alike the first counts.
    """
    for preference in prefer.split(","):
        match = WAIT.fullmatch(preference)
        if match is not None and preference.isascii():
            return min(int(match[1] or match[2]), MAX_WAIT_SECONDS)
    return 0


class ResultWait:
    """Waits for the result of a record that is about to be sent.

    It begins before the send: the result can only be behind what the log holds by then, so nothing
    of a long stream is read again.
    """

    def __init__(self, readings: Readings, stream: Stream, offset: int, deadline: float) -> None:
        self._readings = readings
        self._stream = stream
        self._offset = offset
        self._deadline = deadline

    @classmethod
    async def begin(cls, readings: Readings, stream: Stream, seconds: float) -> ResultWait:
        """Note where the log ends now.

        Raises:  BrokerUnavailable; the record has not been sent then.
        """
        bounds = await readings.log.bounds(stream.partition)
        return cls(readings, stream, bounds.end, asyncio.get_running_loop().time() + seconds)

    async def result_of(self, receipt: Receipt) -> bytes | None:
        """Return the result object of a record, None if it has not come in time.

        A failure to read is no failure of the send: the record is stored, and the receipt says so.
        """
        # The height just below the record passes over repeats of what came before it.
        position = Position(self._offset, Height(receipt.offset - 1, LAST_PART))
        cursor = Cursor(self._readings.log.incarnation.id, position)
        try:
            async with (
                asyncio.timeout_at(self._deadline),
                self._readings.open(self._stream, cursor) as reader,
            ):
                return await self._found(reader, receipt)
        except (StreamingError, TimeoutError):
            return None

    async def _found(self, reader: Reader, receipt: Receipt) -> bytes | None:
        while reader.ending is None:
            left = self._deadline - asyncio.get_running_loop().time()
            for delivery in await reader.take(max(0.0, left)):
                if delivery.result.entry.height.offset == receipt.offset:
                    return delivery.result.json()
                if delivery.result.entry.height.offset > receipt.offset:
                    return None  # What is behind it has a result: this one gives none.
            if left <= 0:
                return None
        return None
