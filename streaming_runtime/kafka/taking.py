"""What requests take of further limits, asked for together: those of one moment in one entry."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from streaming_runtime.core.errors import BrokerUnavailable, Overloaded, StreamingError
from streaming_runtime.core.takes import Take

MOST_WAITING = 5_000
MOST_AT_ONCE = 500
WAIT_SECONDS = 2.0

Ask = Callable[[Sequence[tuple[Take, ...]]], Awaitable[Sequence[bool]]]


class Taking:
    """Lets requests wait for the log, in the order of their asking."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._queue: deque[tuple[tuple[Take, ...], asyncio.Future[bool]]] = deque()
        self._asking: asyncio.Task[None] | None = None

    async def take(self, takes: Sequence[Take]) -> bool:
        """Say whether all of it was there, and is taken.

        Raises:  StreamingError where the log cannot be asked, or does not tell in time.
        """
        if len(self._queue) >= MOST_WAITING:
            raise Overloaded("Too many requests wait for their limits")
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue.append((tuple(takes), waiter))
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask_for_all())
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await waiter
        except TimeoutError:
            raise BrokerUnavailable("The limits did not answer in time") from None

    async def close(self) -> None:
        """End what is being asked for; nobody waits for it any more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _ask_for_all(self) -> None:
        try:
            while self._queue:
                await self._ask_for_some()
        finally:
            self._asking = None

    async def _ask_for_some(self) -> None:
        some = [self._queue.popleft() for _ in range(min(MOST_AT_ONCE, len(self._queue)))]
        # Who has left in the meantime takes nothing.
        some = [(takes, waiter) for takes, waiter in some if not waiter.done()]
        if not some:
            return
        try:
            taken = await self._ask([takes for takes, _ in some])
        except StreamingError as failure:
            for _, waiter in some:
                if not waiter.done():
                    waiter.set_exception(failure)
            return
        for (_, waiter), is_taken in zip(some, taken, strict=True):
            if not waiter.done():
                waiter.set_result(is_taken)
