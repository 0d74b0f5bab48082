"""What all connections of one server share."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable

from uvicorn.server import ServerState

from streaming_runtime.http.services import Observer
from streaming_runtime.live.arrivals import Arrivals
from streaming_runtime.live.cycle import Cycle
from streaming_runtime.live.plain_send import PlainSend
from streaming_runtime.live.refusals import Refusals
from streaming_runtime.live.stalls import StallWatch

# Left for Kafka, the figures and files: a server that has none left cannot even reconnect.
RESERVED_DESCRIPTORS = 64


class LiveState(ServerState):
    """uvicorn's state, with the watch on stalled peers and what counts refusals."""

    def __init__(self, loop: asyncio.AbstractEventLoop, observer: Observer) -> None:
        super().__init__()
        self.stalls = StallWatch(loop)
        self.arrivals = Arrivals(loop)
        self.refusals = Refusals(observer)
        # A connection that is kept alive is told with its next answer to go elsewhere.
        self.is_leaving = False
        # Answers a request that has come whole, or says that the application must.
        self.quick_answer: Callable[[Cycle], bool] | None = None
        self.quick_plain: Callable[[Cycle, PlainSend], bool] | None = None
        self.most_connections = most_connections()
        self._encoded: list[tuple[bytes, bytes]] | None = None
        self._common_head = b""

    def common_head(self) -> bytes:
        """Return the fields of every answer: uvicorn's date, which is a new one each second."""
        if self._encoded is not self.default_headers:
            self._encoded = self.default_headers
            self._common_head = b"".join([b"%b: %b\r\n" % field for field in self._encoded])
        return self._common_head


def most_connections() -> int:
    """Return how many connections the process may have open, by the system's limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 30
    return max(1, soft - RESERVED_DESCRIPTORS)
