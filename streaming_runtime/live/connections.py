"""The open connections of readers and uploads: each leaves at a moment of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from streaming_runtime.core.clock import now_ms
from streaming_runtime.core.principals import CALLER, Principal

# API Gateway cuts a streamed answer at 15 min; a deploy should look like this everyday churn.
ROTATION_SECONDS = (480.0, 720.0)

# Who is told to stop sending has receipts to come, and they take time to arrive.
UPLOAD_SHARE = 0.5

Leaving = Literal["gone", "rotation", "restart", "expired", "revoked"]


class Connection:
    """One open connection and why it is to be closed, None while it may go on.

    Shape:   it leaves in the first ``share`` of the time that a restart has; ``was_slow`` once its
             reader has not kept up; ``key_id`` names the issued key that it was opened with.
    """

    __slots__ = ("_expiry", "_interrupt", "_timer", "key_id", "leaving", "share", "was_slow")

    def __init__(self, share: float) -> None:
        self.share = share
        self.key_id = ""
        self.leaving: Leaving | None = None
        self.was_slow = False
        self._interrupt: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def has_expired(self) -> bool:
        return self.leaving in ("expired", "revoked")

    def interrupts(self, interrupt: Callable[[], None]) -> None:
        """Name what to call when it is to be closed; at once, if that is so already."""
        self._interrupt = interrupt
        if self.leaving is not None:
            interrupt()

    def leave(self, why: Leaving) -> None:
        """Have it closed; the first reason stays, but for a client that is gone."""
        if self.leaving is None or why == "gone":
            self.leaving = why
        if self._interrupt is not None:
            self._interrupt()

    def leave_after(self, seconds: float, why: Leaving) -> None:
        """Have it closed later; this replaces what was set before."""
        self.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.leave, why)

    def ends_with(self, caller: Principal) -> None:
        """Have it closed when the credential it was opened with ends, whatever else is set."""
        self.key_id = caller.key_id
        if caller.expires_at is not None:
            seconds = max(0.0, (caller.expires_at - now_ms()) / 1000)
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(seconds, self.leave, "expired")

    def close(self) -> None:
        """Set nothing off any more."""
        self.cancel()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Connections:
    """All of one process, with how many there are."""

    def __init__(
        self, on_count: Callable[[int], None], on_slow: Callable[[], None] = lambda: None
    ) -> None:
        self._open: set[Connection] = set()
        self._readers = 0
        self._on_count = on_count
        self._on_slow = on_slow
        self._drained_at: float | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    @contextmanager
    def opened(self) -> Iterator[Connection]:
        """Count a reader's connection in, until the block is left."""
        with self._held() as connection:
            self._count(1)
            if self._drained_at is None:
                connection.leave_after(random.uniform(*ROTATION_SECONDS), "rotation")
            try:
                yield connection
            finally:
                self._count(-1)
                if connection.was_slow:
                    self._on_slow()

    @contextmanager
    def uploading(self) -> Iterator[Connection]:
        """Hold the connection of an endless request, which only a restart ends."""
        with self._held(UPLOAD_SHARE) as connection:
            yield connection

    def by_key(self) -> dict[str, list[Connection]]:
        """Return the connections that were opened with issued keys, by the ids of these."""
        found: dict[str, list[Connection]] = {}
        for connection in self._open:
            if connection.key_id:
                found.setdefault(connection.key_id, []).append(connection)
        return found

    async def drain(self, window_seconds: float) -> None:
        """Close all, each at a random moment of the window; returns when none is open.

        Units:   it takes at most ``window_seconds`` and a second, in which the last ones leave.
        """
        self._drained_at = asyncio.get_running_loop().time() + window_seconds
        for connection in self._open:
            self._drain(connection, self._drained_at)
        try:
            async with asyncio.timeout(window_seconds + 1.0):
                await self._empty.wait()
        except TimeoutError:
            pass  # A peer that does not read; the server cuts it off.

    @contextmanager
    def _held(self, share: float = 1.0) -> Iterator[Connection]:
        connection = Connection(share)
        if (caller := CALLER.get()) is not None:
            connection.ends_with(caller)
        self._open.add(connection)
        self._empty.clear()
        if self._drained_at is not None:
            self._drain(connection, self._drained_at)
        try:
            yield connection
        finally:
            connection.close()
            self._open.discard(connection)
            if not self._open:
                self._empty.set()

    def _count(self, change: int) -> None:
        self._readers += change
        self._on_count(self._readers)

    @staticmethod
    def _drain(connection: Connection, drained_at: float) -> None:
        left = max(0.0, drained_at - asyncio.get_running_loop().time())
        connection.leave_after(random.uniform(0, left * connection.share), "restart")
