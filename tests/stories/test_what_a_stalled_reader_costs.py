"""What one reader that takes nothing costs, of ours and of the kernel's, in each form."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.client import Client
from tests.eventually import until
from tests.product import Process, product
from tests.stories.inside import Observed, resident_bytes_of
from tests.stories.socket_memory import IS_TOLD, connections_of
from tests.stories.stalling import stall

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not IS_TOLD, reason="only Linux tells what a socket holds"),
]

FORMS = ("text/event-stream", "application/x-ndjson", "socket")
USER_BYTES, KERNEL_BYTES = 256 << 10, 128 << 10
# More for each reader than it may hold, ours and the kernel's together, with the peer's few.
FILLING_BYTES = 480_000
# One partition, whose recent results (4 MiB) these push out: what a reader still holds is its own.
FILLERS, FILLER_BYTES = 320, 20_000
# What is around a value in a result, and in a batch that stays below 1 MiB.
AROUND_BYTES, MAX_BATCH_BYTES = 400, 1_000_000
# Fewer where the machine is too busy to stall so many within the ten seconds that they last.
READERS = (40, 20, 20, 10)
# 10 s without progress, and what a busy machine adds.
GONE_SECONDS = 20.0
# Held by the test, and not by readers: a listener of the filler.
OTHERS = 1


@dataclass
class Bench:
    """A server that only readers connect to, and another one through which is sent."""

    observed: Observed
    door: Process

    @property
    def server(self) -> Process:
        return self.observed.process

    async def resident_bytes(self) -> int:
        """Return the memory in use, without what only waits to be freed."""
        await self.observed.held()
        return resident_bytes_of(self.server)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bench(broker: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    directory = tmp_path_factory.mktemp("costs")
    async with product(broker, directory, {"KAFKA_PARTITIONS": "1"}) as made:
        made_bench = Bench(Observed(made, directory), made.api())
        for process in (made_bench.server, made_bench.door, made.processing()):
            await process.start()
        yield made_bench


class Filler:
    """A stream of its own, sent and read to its end each time."""

    def __init__(
        self, client: Client, stream: str, lines: AsyncIterator[dict[str, object]]
    ) -> None:
        self._client = client
        self._stream = stream
        self._lines = lines

    async def push_out(self) -> None:
        await send_all(self._client, self._stream, FILLERS, FILLER_BYTES)
        left = FILLERS
        async for line in self._lines:
            left -= "control" not in line
            if not left:
                return


@asynccontextmanager
async def pushing_out(bench: Bench, client: Client) -> AsyncIterator[Filler]:
    """Give what replaces all that the server remembers of the log."""
    stream = await client.start()
    async with Client(bench.server.url) as reading, reading.lines(stream) as lines:
        yield Filler(client, stream, lines)


async def send_all(client: Client, stream: str, count: int, size: int) -> None:
    """Send so many records, in batches as large as may be."""
    most = min(1_000, MAX_BATCH_BYTES // (size + AROUND_BYTES))
    for first in range(0, count, most):
        records = [{"data": "x" * size}] * min(most, count - first)
        answer = await client.http.post(f"/stream/{stream}/send", json=records)
        assert (answer.status_code, answer.json()["failed"]) == (207, 0)


class Cost(NamedTuple):
    """What one reader that takes nothing holds."""

    user_bytes: float
    kernel_bytes: int

    def __str__(self) -> str:
        return f"{self.user_bytes / 1024:.0f} KB, and {self.kernel_bytes / 1024:.0f} of the kernel"


async def cost_of(bench: Bench, form: str, readers: int, record_bytes: int) -> Cost | None:
    """Stall readers with a stream each, and return what each holds when it can take no more.

    Shape:   None if some were cut off before all were measured, on a machine that is too busy.
    """
    count = FILLING_BYTES // (record_bytes + AROUND_BYTES)
    async with (
        Client(bench.door.url) as client,
        AsyncExitStack() as opened,
        pushing_out(bench, client) as filler,
    ):
        streams = [await client.start() for _ in range(readers)]
        await filler.push_out()
        before = await bench.resident_bytes()
        for stream in streams:
            await stall(opened, bench.server, stream, form)

        for stream in streams:
            await send_all(client, stream, count, record_bytes)
        await filler.push_out()
        grown = await bench.resident_bytes() - before

        held = [row.memory_bytes for row in connections_of(bench.server.port)]
    await until(lambda: rows_of(bench.server), lambda left: left == 0, GONE_SECONDS)
    is_whole = len(held) == readers + OTHERS
    return Cost(grown / readers, max(held)) if is_whole else None


async def measured(bench: Bench, form: str, record_bytes: int) -> Cost:
    for readers in READERS:
        if (cost := await cost_of(bench, form, readers, record_bytes)) is not None:
            sys.stdout.write(f"{form}, {readers} readers, results of {record_bytes:,}: {cost}\n")
            return cost
    raise AssertionError("readers were cut off before they held all they could")


async def rows_of(server: Process) -> int:
    """Count what the kernel still has of connections, also those that no process holds."""
    return len(connections_of(server.port))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def used_bench(bench: Bench) -> Bench:
    """Give a server that has been through it: its heap grows by up to 20 MB then, for each size."""
    for record_bytes in (100, 4_000):
        await measured(bench, FORMS[0], record_bytes)
    return bench


@pytest.mark.parametrize(
    "form", [FORMS[0], *(pytest.param(form, marks=pytest.mark.soak) for form in FORMS[1:])]
)
async def test_a_stalled_reader_costs_no_more_than_is_promised(
    used_bench: Bench, form: str
) -> None:
    cost = await measured(used_bench, form, record_bytes=4_000)

    assert cost.user_bytes <= USER_BYTES
    assert cost.kernel_bytes <= KERNEL_BYTES


@pytest.mark.soak
@pytest.mark.parametrize("record_bytes", [100, 1_000, 12_000])
@pytest.mark.parametrize("form", FORMS)
async def test_a_stalled_reader_costs_as_little_whatever_the_size_of_results(
    used_bench: Bench, form: str, record_bytes: int
) -> None:
    cost = await measured(used_bench, form, record_bytes)

    assert cost.user_bytes <= USER_BYTES
    assert cost.kernel_bytes <= KERNEL_BYTES


@pytest.mark.soak
async def test_of_a_stalled_reader_no_row_is_left_after_ten_seconds(bench: Bench) -> None:
    loop = asyncio.get_running_loop()
    async with Client(bench.door.url) as client, AsyncExitStack() as opened:
        streams = {form: await client.start() for form in FORMS}
        for form, stream in streams.items():
            await stall(opened, bench.server, stream, form)
        assert await rows_of(bench.server) == len(streams)

        for stream in streams.values():
            await send_all(client, stream, 120, 4_000)
        begun = loop.time()
        await until(lambda: rows_of(bench.server), lambda left: left == 0, GONE_SECONDS)
        took = loop.time() - begun

    sys.stdout.write(f"the last row was gone {took:.1f} s after the last record\n")
