"""Connections come and go by the thousand, in every way there is, and leave exactly nothing."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.client import Client
from tests.eventually import until
from tests.product import Process, product
from tests.stories.figures import sockets_of
from tests.stories.inside import Held, Observed, resident_bytes_of
from tests.stories.visits import KINDS, PAGE_SECONDS, SSE, Kind, Place, asked
from tests.stories.wire import wire

# ``LEAK_CONNECTIONS=100000 make soak`` takes some seven minutes.
CONNECTIONS = int(os.environ.get("LEAK_CONNECTIONS", "10000"))
FEW = 250
WARM_UP = 150
AT_ONCE = 250
# Below what a server admits of new readers in a second, so that none is refused.
APART_SECONDS = 1 / 300
# What a stalled peer must have been given to stall for certain, and the others read of.
RECORDS, RECORD = 30, "x" * 20_000
PARTITIONS = 4
# A page is waited for although its client is gone, and a sweep's consumer closes behind its last
# reader; the rest is for a busy machine.
BACK_SECONDS = 40.0
SNAPSHOTS = 12
LOOKS = 5
# Long enough that it is the server who gives up on a peer that does not read.
GIVEN_UP_SECONDS = 14.0
# Allocators keep pages; measured are 2 MB. A leak of one reader is 40 KB and more.
GROWTH_BYTES = 16 << 20
VISIT_SECONDS = 60.0


async def place_of(
    observed: Observed, client: Client, opened: AsyncExitStack, stalled_seconds: float
) -> Place:
    """Fill a stream, end another, and keep each partition read, so that none is dropped as idle."""
    filled, ended = await client.start(), await client.start()
    await client.http.post(f"/stream/{filled}/send", json=[{"data": RECORD}] * RECORDS)
    assert (await client.http.post(f"/stream/{ended}/end")).status_code == 202
    kept: set[int] = set()
    while len(kept) < PARTITIONS:
        stream = await client.start()
        partition = (await client.send(stream, 0))["partition"]
        if partition not in kept:
            kept.add(partition)
            peer = await opened.enter_async_context(wire(observed.process.url))
            await peer.say(asked(stream, SSE))
            assert (await peer.hear_head()).status == 200
    return Place(observed.process, filled, ended, stalled_seconds)


async def come_and_go(place: Place, count: int) -> None:
    """Have so many connections come and go, many at the same time."""
    weights = [kind.weight for kind in KINDS]
    free = asyncio.Semaphore(AT_ONCE)

    async def visit(kind: Kind) -> None:
        try:
            async with asyncio.timeout(VISIT_SECONDS):
                await kind.visit(place)
        finally:
            free.release()

    async with asyncio.TaskGroup() as visits:
        for kind in random.choices(KINDS, weights, k=count):
            await free.acquire()
            visits.create_task(visit(kind))
            await asyncio.sleep(APART_SECONDS)


async def settled(observed: Observed) -> Held:
    """Return what the process holds most of the time, once everybody has gone."""
    await until(lambda: rows_of(observed.process), lambda rows: rows == PARTITIONS, BACK_SECONDS)
    await asyncio.sleep(PAGE_SECONDS + 1.0)
    seen: list[Held] = []
    for _ in range(SNAPSHOTS):
        seen.append(await observed.held())
        await asyncio.sleep(0.1)
    return max(seen, key=seen.count)


async def at_rest(observed: Observed) -> Held:
    """Return the same twice in a row: of the warm-up too, somebody may be slow to go."""
    earlier = await settled(observed)
    for _ in range(LOOKS):
        later = await settled(observed)
        if not later.beyond(earlier):
            break
        earlier = later
    return earlier


async def rows_of(server: Process) -> int:
    return sockets_of(server)


async def leftovers(observed: Observed, connections: int, stalled_seconds: float) -> int:
    """Have connections come and go, wait until nothing of them is left, and return the growth.

    Units:   bytes of resident memory.
    """
    async with Client(observed.process.url) as client, AsyncExitStack() as opened:
        place = await place_of(observed, client, opened, stalled_seconds)
        await client.http.aclose()
        await come_and_go(place, WARM_UP)
        baseline = await at_rest(observed)
        before = resident_bytes_of(observed.process)

        await come_and_go(place, connections)
        try:
            await until(observed.held, lambda held: not held.beyond(baseline), BACK_SECONDS)
        except TimeoutError:
            left = (await settled(observed)).beyond(baseline)
            raise AssertionError(f"before and after: {left}") from None
        return resident_bytes_of(observed.process) - before


@pytest.fixture
async def observed(broker: str, tmp_path: Path) -> AsyncIterator[Observed]:
    async with product(broker, tmp_path, {"KAFKA_PARTITIONS": str(PARTITIONS)}) as made:
        watched = Observed(made, tmp_path)
        await asyncio.gather(watched.process.start(), made.processing().start())
        yield watched


@pytest.mark.timeout(150)
async def test_connections_of_every_kind_come_and_go_and_leave_exactly_nothing(
    observed: Observed,
) -> None:
    grown = await leftovers(observed, FEW, stalled_seconds=1.0)

    assert grown < GROWTH_BYTES


@pytest.mark.soak
@pytest.mark.timeout(1_800)
async def test_ten_thousand_connections_come_and_go_and_leave_exactly_nothing(
    observed: Observed,
) -> None:
    begun = time.monotonic()
    grown = await leftovers(observed, CONNECTIONS, GIVEN_UP_SECONDS)

    seconds = time.monotonic() - begun
    sys.stdout.write(f"{CONNECTIONS:,} connections in {seconds:.0f} s: {grown >> 10:,} KB more\n")
    assert grown < GROWTH_BYTES
