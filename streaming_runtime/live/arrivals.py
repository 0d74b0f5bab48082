"""New readers of this process: a few in each turn of the loop, so that those it has go on."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any

from streaming_runtime.core.errors import Overloaded

# Measured: to begin one takes a core 0.3 ms, so that a turn is longer by 2 ms in a storm.
PER_TURN = 8
# Who waits longer than this hears that it should come back; 30,000 have had their turn by then.
MAX_WAIT_SECONDS = 10.0
RETRY_SECONDS = (1, 10)
TOO_MANY = "Many readers are coming back at once: this one may in a moment"
JSON = b"application/json"

_is_late: ContextVar[bool] = ContextVar("is_late", default=False)


class Arrivals:
    """Has new readers begin in the order in which they came.

    A thousand that come back together, begun at once, would keep every result of the others for a
    third of a second.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, per_turn: int = PER_TURN) -> None:
        self._loop = loop
        self._per_turn = per_turn
        self._left = per_turn
        self._is_turning = False
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def enter(self, begin: Callable[[], None]) -> None:
        """Call ``begin`` now, or in a turn to come when enough have begun in this one."""
        if self._left and not self._waiting:
            self._left -= 1
            _begin(begin, is_late=False)
        else:
            self._waiting.append((self._loop.time(), begin))
        self._come_again()

    async def turn(self) -> None:
        """Wait for a turn; for who is a task already.

        Raises:  Overloaded.
        """
        turn: asyncio.Future[None] = self._loop.create_future()
        self.enter(lambda: None if turn.done() else turn.set_result(None))
        if turn.done():
            return
        try:
            async with asyncio.timeout(MAX_WAIT_SECONDS):
                await turn
        except TimeoutError:
            raise _refusal() from None

    def admit(self) -> None:
        """Let in what ``enter`` has begun.

        Raises:  Overloaded, with Retry-After, if it had to wait for too long.
        """
        if _is_late.get():
            raise _refusal()

    def _come_again(self) -> None:
        if not self._is_turning:
            self._is_turning = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._is_turning = False
        self._left = self._per_turn
        if self._waiting:
            self._come_again()
        while self._waiting and self._left:
            self._left -= 1
            since, begin = self._waiting.popleft()
            _begin(begin, is_late=self._loop.time() - since > MAX_WAIT_SECONDS)


def is_endless(scope: Any) -> bool:
    """Say whether a request is for results and not for one page of them."""
    if scope["method"] != "GET" or not scope["path"].endswith("/results"):
        return False
    return not any(name == b"accept" and JSON in value for name, value in scope["headers"])


def _begin(begin: Callable[[], None], *, is_late: bool) -> None:
    """Begin it in a context that says whether it is late, whoever's context this is called in.

    A task inherits the context that it is made in, and with it what was said of another.
    """
    context = copy_context()
    context.run(_is_late.set, is_late)
    context.run(begin)


def _refusal() -> Overloaded:
    refusal = Overloaded(TOO_MANY)
    # Spread: who is sent away together should not come back together.
    refusal.headers["Retry-After"] = str(random.randint(*RETRY_SECONDS))
    return refusal
