"""The product under test: every process in a slot of its own, with a network of its own."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.history.links import Link, Trunk
from tests.product import ROOT, Process, Product

RESTART_SECONDS = 0.5
READY_SECONDS = 90.0
# How an exit is written down that had to be forced.
HUNG = -9

Exited = Callable[[str, int], None]


class Slot:
    """One place in the deployment; what ends in it is started again, as any orchestrator does."""

    def __init__(
        self, name: str, process: Process, trunk: Trunk, door: Link | None, exited: Exited
    ) -> None:
        self.name = name
        self.process = process
        self.trunk = trunk
        self.door = door
        self._exited = exited
        self._is_wanted = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.process.launch()
        self._is_wanted.set()
        self._keeping = asyncio.ensure_future(self._keep())
        await self.ready()

    async def ready(self) -> None:
        """Wait until what runs here answers that it is ready.

        Raises:  AssertionError, with the end of its log, if it never does.
        """
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                await self.process.ready(max(1.0, deadline - time.monotonic()))
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(RESTART_SECONDS)  # It has ended, and is being started again.
            else:
                return

    async def kill(self) -> None:
        """End it as a power cut would; nothing starts it again before ``start_again``."""
        self._is_wanted.clear()
        await self.process.kill()

    async def stop(self) -> None:
        """End it as a deploy would; that it does not end is written down."""
        self._is_wanted.clear()
        try:
            await self.process.stop()
        except AssertionError:
            self._exited(self.name, HUNG)

    async def start_again(self) -> None:
        await self.process.launch()
        self._is_wanted.set()
        await self.ready()

    def freeze(self) -> None:
        self.process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self.process.is_running:
            self.process.signal(signal.SIGCONT)

    async def close(self) -> None:
        self._is_wanted.clear()
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        if self.process.is_running:
            await self.process.kill()
        await self.trunk.close()
        if self.door is not None:
            await self.door.close()

    async def _keep(self) -> None:
        while True:
            await self._is_wanted.wait()
            code = await self.process.exited()
            if self._is_wanted.is_set():
                self._exited(self.name, code)
                await asyncio.sleep(RESTART_SECONDS)
            if self._is_wanted.is_set() and not self.process.is_running:
                await self.process.launch()
            await asyncio.sleep(0)


class Fleet:
    """All slots: API servers behind doors that clients use, and processing."""

    def __init__(self, brokers: Sequence[int], product: Product, exited: Exited) -> None:
        self.apis: list[Slot] = []
        self.processing: list[Slot] = []
        self._brokers = brokers
        self._product = product
        self._exited = exited

    @property
    def slots(self) -> list[Slot]:
        return [*self.apis, *self.processing]

    @property
    def topic_prefix(self) -> str:
        return self._product.prefix

    @property
    def doors(self) -> list[int]:
        """Ports at which clients reach the API servers."""
        return [slot.door.port for slot in self.apis if slot.door is not None]

    async def add_api(self) -> Slot:
        trunk = await self._trunk()
        process = self._product.api(KAFKA_BROKER=trunk.bootstrap)
        door = Link(process.port)
        await door.open()
        slot = Slot(f"api{len(self.apis)}", process, trunk, door, self._exited)
        self.apis.append(slot)
        return slot

    async def add_processing(self) -> Slot:
        trunk = await self._trunk()
        process = self._product.processing(KAFKA_BROKER=trunk.bootstrap)
        slot = Slot(f"processing{len(self.processing)}", process, trunk, None, self._exited)
        self.processing.append(slot)
        return slot

    async def close(self) -> None:
        await asyncio.gather(*(slot.close() for slot in self.slots))

    async def _trunk(self) -> Trunk:
        trunk = Trunk(self._brokers)
        await trunk.open()
        return trunk


@asynccontextmanager
async def fleet(
    brokers: Sequence[int],
    directory: Path,
    environ: Mapping[str, str],
    exited: Exited,
    root: Path = ROOT,
) -> AsyncIterator[Fleet]:
    """Give an empty fleet whose processes and links are gone when the block is left."""
    product = Product("127.0.0.1:1", directory, environ, root)
    made = Fleet(brokers, product, exited)
    try:
        yield made
    finally:
        await made.close()
        await product.close()
