"""Two processes, their partitions, and what a reader sees when one of them goes."""

from __future__ import annotations

import asyncio
import signal
import time

from tests.eventually import eventually
from tests.processing.traffic import Sent, Traffic, headers_of, metric, seen_by_readers, source_of
from tests.product import Process, Product


def partitions_of(process: Process) -> float:
    return metric(int(process.url.rpartition(":")[2]), "millrace_processing_partitions")


async def two_that_share(traffic: Traffic, processes: Product) -> tuple[Process, Process]:
    one, other = (processes.processing(**traffic.environ) for _ in range(2))
    await asyncio.gather(one.start(), other.start())
    await eventually(lambda: {partitions_of(one), partitions_of(other)} == {1, 2}, 30)
    return one, other


async def test_partitions_are_shared_and_those_of_one_that_stops_move_at_once(
    traffic: Traffic, processes: Product
) -> None:
    one, other = await two_that_share(traffic, processes)
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


async def test_those_of_one_that_freezes_move_within_fifteen_seconds_and_it_adds_nothing_later(
    traffic: Traffic, processes: Product
) -> None:
    one, _ = await two_that_share(traffic, processes)
    before = await traffic.send(*(Sent(b"%d" % n) for n in range(3_000)))

    one.signal(signal.SIGSTOP)
    frozen = time.monotonic()
    after = await traffic.send(*(Sent(b"%d" % n) for n in range(300)))
    results = await traffic.results_of([*before, *after], seconds=40)
    taken_over = time.monotonic()
    one.signal(signal.SIGCONT)
    await eventually(lambda: partitions_of(one) in {1, 2}, 30)
    last = await traffic.send(*(Sent(b"%d" % n) for n in range(300)))
    await traffic.results_of(last)

    assert taken_over - frozen < 15
    assert {headers_of(result)["kind"] for result in results} == {b"result"}
    assert seen_by_readers(await traffic.all_results()) == by_partition(before + after + last)
    assert await one.stop() == 0


async def test_those_of_one_that_is_killed_move_within_fifteen_seconds_and_nothing_is_missing(
    traffic: Traffic, processes: Product
) -> None:
    one, _ = await two_that_share(traffic, processes)
    before = await traffic.send(*(Sent(b"%d" % n) for n in range(3_000)))

    await one.kill()
    killed = time.monotonic()
    after = await traffic.send(*(Sent(b"%d" % n) for n in range(300)))
    results = await traffic.results_of([*before, *after], seconds=40)

    assert time.monotonic() - killed < 15
    assert {headers_of(result)["kind"] for result in results} == {b"result"}
    assert seen_by_readers(await traffic.all_results()) == by_partition(before + after)


def by_partition(sources: list[str]) -> dict[int, list[int]]:
    """Return the offsets of what was sent, by partition, in order."""
    sent: dict[int, list[int]] = {}
    for partition, offset in sorted((int(p), int(o)) for p, o in (s.split("-") for s in sources)):
        sent.setdefault(partition, []).append(offset)
    return sent
