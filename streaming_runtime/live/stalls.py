"""Peers that do not read: found within ten seconds of their last byte, and cut off for good."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol

# With one look before the time begins and one after it is over this makes the 10 s of the contract.
STALL_SECONDS = 9.0
LOOK_SECONDS = 0.5
# Who takes less while something waits for it holds a full buffer for as long as it likes.
MIN_BYTES_PER_SECOND = 1 << 10


class Peer(Protocol):
    """A connection that was written to."""

    written_bytes: int

    def unsent_bytes(self) -> int:
        """Bytes of ours that the kernel has not taken."""

    def acknowledged_bytes(self) -> int:
        """Bytes that the other side has taken since the connection began."""

    def abort(self) -> None:
        """Drop the connection with all it holds, here and in the kernel."""


class Mark(NamedTuple):
    """What a peer had taken at a moment when more was waiting for it."""

    written_bytes: int
    acknowledged_bytes: int
    at: float


class StallWatch:
    """Aborts a connection when what waits in its write buffer does not leave.

    ``transport.close()`` is not enough: asyncio keeps a closing transport until its buffer drains,
    which a peer with a zero window never allows. One timer looks at all connections, and only at
    those of which something has waited since they were last found empty: a timer for each write
    would cost more than the write.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._peers: dict[Peer, Mark | None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, peer: Peer) -> None:
        """Look at a peer from now on; it was written to, and the kernel has not taken all."""
        self._peers.setdefault(peer, None)
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def forget(self, peer: Peer) -> None:
        self._peers.pop(peer, None)
        if not self._peers and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        now = self._loop.time()
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
        for peer, mark in list(self._peers.items()):
            if not (unsent := peer.unsent_bytes()):
                self.forget(peer)
            elif mark is None or peer.written_bytes - unsent >= mark.written_bytes:
                # What waited at the last look has left: what waits now is new.
                self._mark(peer, now)
            elif now - mark.at >= STALL_SECONDS:
                self._judge(peer, mark, now)

    def _judge(self, peer: Peer, mark: Mark, now: float) -> None:
        taken = peer.acknowledged_bytes() - mark.acknowledged_bytes
        if taken >= MIN_BYTES_PER_SECOND * (now - mark.at):
            self._mark(peer, now)
            return
        self.forget(peer)
        peer.abort()

    def _mark(self, peer: Peer, now: float) -> None:
        self._peers[peer] = Mark(peer.written_bytes, peer.acknowledged_bytes(), now)
