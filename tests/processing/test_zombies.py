"""Processes that stand still, lose their partitions, go on and still believe in them."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass, field
from itertools import count

import pytest

from tests.cluster.measured import spread, tell
from tests.eventually import eventually
from tests.processing.test_sharing import by_partition, partitions_of, results_of, sharing
from tests.processing.traffic import Sent, Traffic, headers_of, seen_by_readers, source_of
from tests.product import Process, Product

# Longer than the session, so that the others have its partitions when it goes on.
SHORT_SECONDS = 11.0
MINUTE_SECONDS = 60.0
SHORT_RUNS = 10
KILLS = 5
PROMISED_SECONDS = 15.0
AT_ONCE = 1_500


@dataclass
class Story:
    """What was sent over all runs, and how long each takeover took."""

    traffic: Traffic
    sources: list[str] = field(default_factory=list)
    takeovers: list[float] = field(default_factory=list)
    numbers: count[int] = field(default_factory=count)

    async def send(self, records: int) -> list[str]:
        written = await self.traffic.send(
            *(Sent(b"%d" % next(self.numbers)) for _ in range(records))
        )
        self.sources += written
        return written

    async def with_work_in_hand(self, process: Process) -> asyncio.Task[list[str]]:
        """Return the sending that goes on, once the process works on it."""
        before = results_of(process)
        sending = asyncio.create_task(self.send(AT_ONCE))
        await eventually(lambda: results_of(process) > before, 30)
        return sending

    async def taken_over(self, since: float, sending: asyncio.Task[list[str]]) -> None:
        """Wait until everything that is sent has its result, in all partitions."""
        await sending
        await self.traffic.results_of(await self.send(60), 40)
        self.takeovers.append(time.monotonic() - since)


async def shared_by(one: Process, other: Process) -> None:
    await eventually(lambda: min(map(partitions_of, (one, other))) > 0, 40)


async def zombie(story: Story, frozen: Process, other: Process, seconds: float) -> None:
    """Have one stand still so long with work in hand, and go on when the other has its place."""
    sending = await story.with_work_in_hand(frozen)
    frozen.signal(signal.SIGSTOP)
    began = time.monotonic()
    await story.taken_over(began, sending)
    await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
    frozen.signal(signal.SIGCONT)
    await shared_by(frozen, other)
    await story.traffic.results_of(await story.send(60), 40)


async def replaced(story: Story, killed: Process, other: Process) -> None:
    """Have one killed with work in hand, and started again."""
    sending = await story.with_work_in_hand(killed)
    await killed.kill()
    await story.taken_over(time.monotonic(), sending)
    await killed.start()
    await shared_by(killed, other)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("guarantee", ["at-least-once", "exactly-once"])
async def test_zombies_and_kills_add_nothing_that_readers_see_and_skip_nothing(
    guarantee: str, traffic: Traffic, processes: Product, capsys: pytest.CaptureFixture[str]
) -> None:
    story = Story(traffic)
    pair = await sharing(2, traffic, processes, PROCESSING_GUARANTEE=guarantee)

    for run in range(SHORT_RUNS):
        await zombie(story, pair[run % 2], pair[1 - run % 2], SHORT_SECONDS)
    await zombie(story, pair[0], pair[1], MINUTE_SECONDS)
    frozen = spread(story.takeovers)
    story.takeovers.clear()
    for run in range(KILLS):
        await replaced(story, pair[run % 2], pair[1 - run % 2])
    killed = spread(story.takeovers)

    log = await traffic.all_results()
    added = len(log) - len({source_of(result) for result in log})
    name = f"{guarantee}, {SHORT_RUNS} zombies of {SHORT_SECONDS:g} s and one of a minute"
    tell(capsys, f"row 7, takeover from a frozen one, {guarantee}", **frozen)
    tell(capsys, f"row 7, takeover from a killed one, {guarantee}", **killed)
    tell(capsys, f"row 8, {name}", sent=len(story.sources), repeats_in_the_log=added)
    assert seen_by_readers(log) == by_partition(story.sources)
    assert {headers_of(result)["kind"] for result in log} == {b"result"}
    assert guarantee == "at-least-once" or added == 0
    assert max(frozen["max"], killed["max"]) <= PROMISED_SECONDS
