"""All readers, one a stream; one whose connection ends comes back at its cursor, as EventSource."""

import asyncio
from collections.abc import Sequence

from tests.bench import wire
from tests.bench.opening import (
    OPEN_AT_ONCE,
    OPEN_SECONDS,
    Arrived,
    ReaderRefused,
    ignore,
    open_all,
)
from tests.bench.reader import Reader

COME_BACK_SECONDS = 0.5


class Readers:
    """Implements reader.Audience.

    ``arrived`` may be set for each run; ``returns`` counts readers that came back.
    """

    def __init__(self, host: str, port: int, address: str, key: str, ids: Sequence[str]) -> None:
        self.arrived: Arrived = ignore
        self.returns = 0
        self._host, self._port = host, port
        self._address, self._key = address, key
        self._ids = ids
        self._readers: dict[int, Reader] = {}
        self._opening: dict[int, asyncio.Future[None]] = {}
        self._returning: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Semaphore(OPEN_AT_ONCE)
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._readers)

    async def open(self) -> None:
        """Open all, and wait until the first bytes of each are there.

        Raises:  ReaderRefused.
        """
        await open_all(self._open, len(self._ids))

    def close(self) -> None:
        self._is_closed = True
        for task in self._returning:
            task.cancel()
        for reader in list(self._readers.values()):
            reader.close()

    def opened(self, number: int) -> None:
        if (opening := self._opening.pop(number, None)) and not opening.done():
            opening.set_result(None)

    def refused(self, number: int, reason: str) -> None:
        if (opening := self._opening.pop(number, None)) and not opening.done():
            opening.set_exception(ReaderRefused(f"GET {self._path(number)}: {reason}"))

    def lost(self, number: int, last_id: str) -> None:
        if self._readers.pop(number, None) is None or self._is_closed:
            return
        task = asyncio.ensure_future(self._return(number, last_id))
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)

    async def _return(self, number: int, last_id: str) -> None:
        while True:
            await asyncio.sleep(COME_BACK_SECONDS)
            try:
                await self._open(number, last_id)
            except (ReaderRefused, OSError):
                continue
            self.returns += 1
            return

    async def _open(self, number: int, last_id: str = "") -> None:
        loop = asyncio.get_running_loop()
        async with self._gate, asyncio.timeout(OPEN_SECONDS):
            opening = self._opening[number] = loop.create_future()
            _, reader = await loop.create_connection(
                lambda: Reader(number, self._request(number, last_id), self, last_id),
                self._host,
                self._port,
            )
            await opening
            self._readers[number] = reader

    def _request(self, number: int, last_id: str) -> bytes:
        headers = {"x-api-key": self._key, "Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        return wire.request("GET", self._path(number), self._address, headers)

    def _path(self, number: int) -> str:
        return f"/stream/{self._ids[number]}/results"
