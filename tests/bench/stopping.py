"""Ctrl-C: the first ends in good order, the second at once."""

import asyncio
import os
import signal

from local.progress import say
from tests.bench.product import Product

INTERRUPTED = 130


class Stopping:
    """Cancels the task that made it when a signal comes; a second one kills the product."""

    def __init__(self) -> None:
        self._product: Product | None = None
        self._task = asyncio.current_task()
        self._was_told = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal)

    def kills(self, product: Product) -> None:
        """Know what to kill."""
        self._product = product

    def _on_signal(self) -> None:
        if self._was_told or self._task is None:
            if self._product is not None:
                self._product.kill()
            os._exit(INTERRUPTED)
        self._was_told = True
        say("\nStopping; once more ends everything at once")
        self._task.cancel()
