"""One reader in five takes nothing: what the others feel of it, side by side with the same load."""

from __future__ import annotations

import statistics
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.client import Client
from tests.product import Process, product
from tests.stories.pace_of_delivery import Load, percentile, with_history

STREAMS, HEALTHY, STALLED = 8, 80, 20
RECORDS_PER_SECOND = 60.0
# The promise, for a calm machine; on a busy one the noise alone is more.
RATIO = 1.1


@pytest.fixture
async def alone(broker: str, tmp_path: Path) -> AsyncIterator[Process]:
    """Give a server that nobody else uses."""
    async with product(broker, tmp_path) as made:
        server = made.api()
        await server.start()
        await made.processing().start()
        yield server


async def p99s(
    server: Process, phases: int, seconds: float, stalled_seconds: float
) -> tuple[list[float], list[float]]:
    """Return the p99 of each phase without stalled readers, and of each with them, by turns."""
    without: list[float] = []
    beside: list[float] = []
    async with Client(server.url) as client:
        streams = await with_history(client, STREAMS)
        load = Load(server, streams, client, RECORDS_PER_SECOND, HEALTHY, STALLED, stalled_seconds)
        async with load.read():
            for number in range(2 * phases):
                # ABBA: what drifts is not taken for a difference.
                has_stalled = number % 4 in (1, 2)
                took = await load.phase(seconds, has_stalled=has_stalled)
                expected = int(seconds * RECORDS_PER_SECOND) * HEALTHY // STREAMS
                assert len(took) == expected
                (beside if has_stalled else without).append(percentile(took, 0.99))
    tell(without, beside)
    return without, beside


def tell(without: list[float], beside: list[float]) -> None:
    figures = [" ".join(f"{s * 1000:.1f}" for s in phases) for phases in (without, beside)]
    ratio = statistics.median(beside) / statistics.median(without)
    sys.stdout.write(f"p99 ms without {figures[0]} | beside stalled {figures[1]} | {ratio:.2f}\n")


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_the_p99_of_readers_beside_stalled_ones_is_within_a_tenth(alone: Process) -> None:
    without, beside = await p99s(alone, phases=8, seconds=20.0, stalled_seconds=12.0)

    assert statistics.median(beside) <= RATIO * statistics.median(without)
