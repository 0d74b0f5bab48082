"""Start the streams, as many at once as there are connections."""

import asyncio
import json

from tests.bench import wire
from tests.bench.connection import Asked, Nothing, Pool

START_SECONDS = 60.0


class StartRefused(Exception):
    """A stream cannot be started, so nothing can be measured."""


class _Starts:
    """The work of starting ``count`` streams; ``done`` holds their ids in the end."""

    def __init__(self, request: bytes, count: int) -> None:
        self.done: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._request = request
        self._ids = [""] * count
        self._begun = 0
        self._left = count

    def next(self) -> Asked | None:
        if self._begun == len(self._ids):
            return None
        self._begun += 1
        number = self._begun - 1
        return Asked(number, number, self._request)

    def answered(self, number: int, status: int, body: bytes, now: float) -> None:
        if self.done.done():
            return
        if status != 201:
            shown = body[:300].decode(errors="replace")
            self.done.set_exception(StartRefused(f"POST /stream/start: {status} {shown}"))
            return
        self._ids[number] = str(json.loads(body)["stream_id"])
        self._left -= 1
        if not self._left:
            self.done.set_result(self._ids)


async def start_streams(pool: Pool, address: str, key: str, count: int) -> list[str]:
    """Return the ids of new streams whose processor hands back what it gets.

    Raises:  StartRefused.
    """
    headers = {"x-api-key": key, "Content-Type": "application/json"}
    body = b'{"processor":"identity","label":"bench"}'
    starts = _Starts(wire.request("POST", "/stream/start", address, headers, body), count)
    pool.work = starts
    pool.pump()
    try:
        async with asyncio.timeout(START_SECONDS):
            return await starts.done
    except TimeoutError:
        raise StartRefused(f"POST /stream/start: no answers within {START_SECONDS:.0f} s") from None
    finally:
        pool.work = Nothing()
