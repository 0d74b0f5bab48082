"""Several processes, their partitions, and what a reader sees when one of them goes."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from tests.eventually import eventually
from tests.processing.traffic import Sent, Traffic, headers_of, metric, seen_by_readers, source_of
from tests.product import Process, Product

PROMISED_SECONDS = 15.0
# What a machine with other things to do needs for the 12,000 records; test_zombies leaves none.
SLACK_SECONDS = 10.0


def partitions_of(process: Process) -> float:
    return metric(int(process.url.rpartition(":")[2]), "millrace_processing_partitions")


async def sharing(
    count: int, traffic: Traffic, processes: Product, **environ: str
) -> list[Process]:
    """Start so many processes, and wait until each has partitions."""
    made = [processes.processing(**traffic.environ, **environ) for _ in range(count)]
    await asyncio.gather(*(process.start() for process in made))
    total = traffic.settings.partitions

    def is_shared() -> bool:
        shares = [partitions_of(process) for process in made]
        return 0 not in shares and sum(shares) == total

    await eventually(is_shared, 30)
    return made


async def test_partitions_are_shared_and_those_of_one_that_stops_move_at_once(
    traffic: Traffic, processes: Product
) -> None:
    one, other = await sharing(2, traffic, processes)
    await traffic.results_of(await traffic.send(*(Sent(b"%d" % n) for n in range(300))))

    started = time.monotonic()
    code = await one.stop()
    stopped = time.monotonic()
    sources = await traffic.send(*(Sent(b"%d" % n) for n in range(300)))
    results = await traffic.results_of(sources)

    assert code == 0
    assert stopped - started < 5
    assert time.monotonic() - stopped < 10
    assert [int(result.value) for result in results] == list(range(300))
    assert partitions_of(other) == traffic.settings.partitions
    # A process that leaves commits first, so nothing is done twice.
    everything = [source_of(result) for result in await traffic.all_results()]
    assert len(everything) == len(set(everything)) == 600


@pytest.mark.parametrize(
    "guarantee", ["at-least-once", pytest.param("exactly-once", marks=pytest.mark.soak)]
)
async def test_those_of_killed_and_frozen_ones_move_within_fifteen_seconds_and_none_is_missing(
    guarantee: str, traffic: Traffic, processes: Product
) -> None:
    await killed_and_frozen(guarantee, 0, traffic, processes)


@pytest.mark.soak
@pytest.mark.parametrize("guarantee", ["at-least-once", "exactly-once"])
async def test_one_that_was_frozen_for_a_minute_changes_nothing_that_readers_see(
    guarantee: str, traffic: Traffic, processes: Product
) -> None:
    await killed_and_frozen(guarantee, 60, traffic, processes)


async def killed_and_frozen(
    guarantee: str, frozen_seconds: float, traffic: Traffic, processes: Product
) -> None:
    """Freeze one for longer than its session and kill another, both with work in hand.

    With exactly-once readers see nothing behind an open transaction, so the time counts it too.
    """
    environ = {"PROCESSING_GUARANTEE": guarantee}
    killed, frozen, third = await sharing(3, traffic, processes, **environ)
    # Each has work, so that it is stopped with results, or a transaction, on the way.
    sending = asyncio.create_task(traffic.send(*(Sent(b"%d" % n) for n in range(12_000))))
    await eventually(lambda: all(results_of(p) > 0 for p in (killed, frozen)), 30)

    frozen.signal(signal.SIGSTOP)
    await killed.kill()
    gone = time.monotonic()
    before = await sending
    during = await traffic.send(*(Sent(b"%d" % n) for n in range(300)))
    results = await traffic.results_of([*before, *during], seconds=40)
    taken_over = time.monotonic()
    # Thawed, it still believes in its partition, and adds to the log what it had in hand.
    await asyncio.sleep(max(0.0, gone + frozen_seconds - time.monotonic()))
    frozen.signal(signal.SIGCONT)
    await eventually(lambda: partitions_of(third) < 3, 40)
    after = await traffic.send(*(Sent(b"%d" % n) for n in range(300)))
    await traffic.results_of(after)

    assert taken_over - gone < PROMISED_SECONDS + SLACK_SECONDS
    assert {headers_of(result)["kind"] for result in results} == {b"result"}
    log = await traffic.all_results()
    assert seen_by_readers(log) == by_partition(before + during + after)
    if guarantee == "exactly-once":
        assert len({source_of(result) for result in log}) == len(log)
    # A producer that others have shut out fails, and makes its process begin anew.
    assert await frozen.stop() in {0, 1}


def results_of(process: Process) -> float:
    return metric(int(process.url.rpartition(":")[2]), 'millrace_processed_total{kind="result"}')


def by_partition(sources: list[str]) -> dict[int, list[int]]:
    """Return the offsets of what was sent, by partition, in order."""
    sent: dict[int, list[int]] = {}
    for partition, offset in sorted((int(p), int(o)) for p, o in (s.split("-") for s in sources)):
        sent.setdefault(partition, []).append(offset)
    return sent
