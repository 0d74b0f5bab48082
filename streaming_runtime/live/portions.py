"""What was read, given to a parser in portions: while it is not to go on, the rest stays bytes."""

from __future__ import annotations

import asyncio
from abc import abstractmethod

# A read brings up to 256 KB. As requests of 28 bytes those became 23 MB of objects at once, and a
# pause asked for by the first of them came too late.
PORTION_BYTES = 16 << 10


class Portioned(asyncio.Protocol):
    """Mixin before a protocol that parses what it receives, and pauses its transport."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _held = b""

    def data_received(self, data: bytes) -> None:
        if not self._held and len(data) <= PORTION_BYTES and not self.is_reading_paused():
            super().data_received(data)
            return
        self._held += data
        self._give_held()

    @abstractmethod
    def is_reading_paused(self) -> bool:
        """Say whether the parser wants no more now."""

    def on_reading_resumed(self) -> bool:
        """Say whether something is held, which then comes before what the transport reads."""
        if self._held:
            self.loop.call_soon(self._go_on)
        return bool(self._held)

    def _go_on(self) -> None:
        self._give_held()
        if not self._held and not self.is_reading_paused() and not self.transport.is_closing():
            self.transport.resume_reading()

    def _give_held(self) -> None:
        while self._held and not self.is_reading_paused() and not self.transport.is_closing():
            portion, self._held = self._held[:PORTION_BYTES], self._held[PORTION_BYTES:]
            super().data_received(portion)
