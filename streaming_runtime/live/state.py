"""What all connections of one server share."""

from __future__ import annotations

import asyncio
import resource

from uvicorn.server import ServerState

from streaming_runtime.http.services import Observer
from streaming_runtime.live.refusals import Refusals
from streaming_runtime.live.stalls import StallWatch

# Left for Kafka, the figures and files: a server that has none left cannot even reconnect.
RESERVED_DESCRIPTORS = 64


class LiveState(ServerState):
    """uvicorn's state, with the watch on stalled peers and what counts refusals."""

    def __init__(self, loop: asyncio.AbstractEventLoop, observer: Observer) -> None:
        super().__init__()
        self.stalls = StallWatch(loop)
        self.refusals = Refusals(observer)
        # A connection that is kept alive is told with its next answer to go elsewhere.
        self.is_leaving = False
        self.most_connections = most_connections()


def most_connections() -> int:
    """Return how many connections the process may have open, by the system's limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 30
    return max(1, soft - RESERVED_DESCRIPTORS)
