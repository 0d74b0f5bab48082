"""What is made when a case first asks for it, and then shared by all that ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Once(Generic[Made]):
    """Made once; whatever went wrong then is told to everybody who asks."""

    def __init__(self, make: Callable[[], Awaitable[Made]]) -> None:
        self._make = make
        self._making: asyncio.Future[Made] | None = None

    async def get(self) -> Made:
        if self._making is None:
            self._making = asyncio.ensure_future(self._make())
        # Whoever asked first may be cancelled; the others still want it.
        return await asyncio.shield(self._making)
