"""The clients that need a process of their own: started when a case first asks for them."""

from __future__ import annotations

from contextlib import AsyncExitStack

from ..client.once import Once
from .chromium import Chromium, chromium
from .node import Node, node


class AtHand:
    """Node and Chromium; both end with the stack."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._node = Once(lambda: stack.enter_async_context(node()))
        self._chromium = Once(lambda: stack.enter_async_context(chromium()))

    async def node(self) -> Node:
        """Return the Node.

        Raises:  NotThere.
        """
        return await self._node.get()

    async def chromium(self) -> Chromium:
        """Return the browser.

        Raises:  NotThere.
        """
        return await self._chromium.get()
