"""One page of results: what exists from a position on, or, when asked to wait, the next of them."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import msgspec

from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.model import Stream
from streaming_runtime.core.reading import Delivery, Gap, Reader, Readings

# What exists is read for this long at most; a page that is not full by then is answered as it is.
READ_SECONDS = 10.0
UNREADABLE = "The results cannot be read now"
# Of a function's answer a load balancer passes on 1 MB, a third of it lost where it is base64.
FUNCTION_BYTES = 700_000
PROCESS_BYTES = 16 << 20


class Page(NamedTuple):
    """Results in order, the cursor behind the last of them, and whether more can come there."""

    deliveries: list[Delivery]
    cursor: str
    is_end: bool

    def encode(self, gap: Gap | None = None) -> bytes:
        """Return the page's JSON; each result keeps its bytes, and a gap stands beside them."""
        results = b",".join([d.result.json(d.own_id) for d in self.deliveries])
        end = b"true" if self.is_end else b"false"
        told = b"" if gap is None else b',"gap":' + msgspec.json.encode(gap._asdict())
        cursor = self.cursor.encode()
        return b'{"results":[%b],"cursor":"%b","end":%b%b}' % (results, cursor, end, told)


async def read_page(
    readings: Readings,
    stream: Stream,
    cursor: Cursor,
    *,
    limit: int,
    wait_seconds: float,
    most_bytes: int,
) -> Page:
    """Return up to ``limit`` results from ``cursor`` on.

    Shape:   all that exist now; only if there is none does it wait for the next. It holds fewer
             than ``limit`` where they have ``most_bytes``, but for one that is larger by itself.
    Raises:  BrokerUnavailable.
    """
    if cursor.is_reached():
        return Page([], readings.seal.encode(stream.stream_id, cursor), is_end=True)
    end = (await readings.log.bounds(stream.partition)).end
    waiting_ends = asyncio.get_running_loop().time() + wait_seconds
    async with readings.open(stream, cursor) as reader:
        found = await _existing(reader, end, limit)
        left = waiting_ends - asyncio.get_running_loop().time()
        if not found and reader.ending is None and left > 0:
            found = await reader.take(left, most=limit)
        if not found and reader.ending == "slow":
            raise BrokerUnavailable(UNREADABLE)
        return _fitting(found, reader, most_bytes)


async def _existing(reader: Reader, end: int, limit: int) -> list[Delivery]:
    """Read what exists below the results offset ``end``, up to ``limit`` results."""
    loop = asyncio.get_running_loop()
    begun, deadline = reader.offset, loop.time() + READ_SECONDS
    found: list[Delivery] = []
    while len(found) < limit and reader.offset < end and reader.ending is None:
        left = deadline - loop.time()
        if left <= 0:
            break
        # A reader drops what it took beyond ``most``, so this is its last use once it is full.
        found += await reader.take(left, end, most=limit - len(found))
    if not found and reader.ending is None and begun == reader.offset < end:
        raise BrokerUnavailable(UNREADABLE)
    return found


def _fitting(found: list[Delivery], reader: Reader, most_bytes: int) -> Page:
    """Return the page of what was found, cut where it would be too large to be passed on."""
    size = 0
    for count, delivery in enumerate(found):
        size += delivery.result.size
        if size > most_bytes and count:
            return Page(found[:count], found[count - 1].id, is_end=False)
    return Page(found, reader.cursor_id, is_end=reader.ending in ("end", "reached"))
