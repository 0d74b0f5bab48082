"""A connection that is closed behind its last answer, so that all of the answer arrives."""

from __future__ import annotations

import asyncio
from typing import cast

from streaming_runtime.live.gathering import GatheringTransport
from streaming_runtime.live.state import LiveState
from streaming_runtime.live.upgrades import UpgradesDeclined

# How long what still comes is read, and dropped, behind the last answer; and for how many times as
# long when that answer has not arrived yet.
LINGER_SECONDS = 2.0
MOST_LOOKS = 4


class ClosedInTime:
    """Mixin of a protocol that closes behind its last bytes, as soon as these have arrived."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    close_timer: asyncio.TimerHandle | None

    def close_in_time(self, looks: int = MOST_LOOKS) -> None:
        """Close when the other side does, or soon."""
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self._look, looks)

    def _look(self, looks: int) -> None:
        if looks > 1 and not cast(GatheringTransport, self.transport).has_arrived():
            self.close_in_time(looks - 1)
        else:
            self.transport.close()


class Lingering(ClosedInTime, UpgradesDeclined):
    """HTTP/1.1 whose close does not reset what was written before it.

    A socket that is closed with something unread is reset, and whatever of the answer has not
    arrived by then is gone: of a client that still sends, those are the last receipts. So the
    answer is ended first, and for a moment what still comes is read and dropped.

    Source:  RFC 9112, section 9.6.
    """

    server_state: LiveState

    is_lingering = False
    close_timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        super().connection_lost(exc)

    def linger(self) -> None:
        """Write no more, and close when all of it has arrived."""
        self.is_lingering = True
        self.transport.write_eof()
        self.flow.resume_reading()
        self.close_in_time()

    def shutdown(self) -> None:
        if self.is_lingering:
            return
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        elif not self.cycle.more_body:
            # Its head can still say so.
            self.cycle.keep_alive = False

    def on_last_answer(self) -> None:
        if self.transport.is_closing() or self.is_lingering:
            return
        if self.cycle.more_body or self.pipeline:
            self.linger()
        else:
            self.transport.close()
