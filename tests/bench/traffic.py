"""The open connections of a measurement: those that send and those that read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from local.progress import Ticking
from tests.bench.connection import Pool, Work
from tests.bench.opening import Arrived
from tests.bench.options import Options
from tests.bench.product import Product
from tests.bench.readers import Readers
from tests.bench.sockets import Sockets
from tests.bench.starting import start_streams
from tests.bench.wire import SendFrames, SendRequests


class Senders(Protocol):
    """Connections that take work."""

    work: Work

    def pump(self) -> None:
        """Send what the work offers, as far as there are connections for it."""


class Requests(Protocol):
    """Makes the bytes of a send."""

    def bytes_for(self, stream: int, record: int, due_us: int) -> bytes:
        """Return the bytes."""


class Audience(Protocol):
    """Connections that read. ``returns`` counts those that ended and came back."""

    arrived: Arrived
    returns: int

    def __len__(self) -> int:
        """Return how many are open."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a run needs, whichever transport is measured."""

    senders: Senders
    requests: Requests
    audience: Audience


@contextlib.asynccontextmanager
async def opened(product: Product, options: Options) -> AsyncIterator[Traffic]:
    """Start the streams, open a reader for each, and give both sides.

    Raises:  OSError, StartRefused, ReaderRefused.
    """
    pool = Pool(product.host, product.port, options.connections)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(pool.close)
        with Ticking(f"Starting {options.readers:,} streams"):
            await pool.open()
            streams = await start_streams(pool, product.address, product.key, options.readers)
        place = (product.host, product.port, product.address, product.key, streams)
        audience = Sockets(*place) if options.mode == "websocket" else Readers(*place)
        stack.callback(audience.close)
        with Ticking("Opening readers", lambda: f"{len(audience):,} of {options.readers:,}"):
            await audience.open()
        if isinstance(audience, Sockets):
            yield Traffic(audience, SendFrames(options.record_bytes), audience)
        else:
            requests = SendRequests(
                product.address, product.key, streams, options.record_bytes, options.batch
            )
            yield Traffic(pool, requests, audience)
    await asyncio.sleep(0)  # The aborted connections say goodbye to their loop.
