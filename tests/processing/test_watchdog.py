from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from streaming_runtime.processing.stopping import Stop
from streaming_runtime.processing.watchdog import Watchdog

LOOK = 0.02
STALL = 0.3


@dataclass
class Pipeline:
    """What is watched; its loop turns with each look, unless it hangs."""

    written: int = 0
    outstanding: int = 0
    is_hung: bool = False
    looks: int = 0

    @property
    def turns(self) -> int:
        self.looks += not self.is_hung
        return self.looks


@contextmanager
def watching(
    deliveries: Pipeline | None, stop: Stop | None = None, leave_seconds: float = 60
) -> Iterator[threading.Event]:
    """Give what is set when the watchdog ends the process."""
    ended = threading.Event()
    watchdog = Watchdog(stop or Stop(), STALL, STALL, leave_seconds, ended.set, LOOK)
    watchdog.watched = deliveries
    watchdog.start()
    try:
        yield ended
    finally:
        watchdog.close()


def test_deliveries_that_stand_still_end_the_process() -> None:
    with watching(Pipeline(written=5, outstanding=5)) as ended:
        assert ended.wait(10)


def test_deliveries_that_go_on_do_not_however_many_are_outstanding() -> None:
    deliveries = Pipeline(written=10_000, outstanding=9_000)

    with watching(deliveries) as ended:
        for _ in range(int(3 * STALL / LOOK)):
            deliveries.outstanding -= 1
            assert not ended.wait(LOOK)


def test_writing_more_is_not_taken_for_delivering() -> None:
    deliveries = Pipeline(written=5, outstanding=5)

    with watching(deliveries) as ended:
        while not ended.wait(LOOK):
            deliveries.written += 1
            deliveries.outstanding += 1
            assert deliveries.written < 1_000


def test_nothing_to_deliver_is_no_stall() -> None:
    with watching(Pipeline(written=5)) as idle, watching(None) as between_runs:
        assert not idle.wait(2 * STALL)
        assert not between_runs.is_set()


def test_a_loop_that_does_not_turn_ends_the_process() -> None:
    pipeline = Pipeline()

    with watching(pipeline) as ended:
        assert not ended.wait(2 * STALL)
        pipeline.is_hung = True
        assert ended.wait(10)


def test_who_is_told_to_stop_and_stays_is_ended() -> None:
    stop = Stop()

    with watching(None, stop, leave_seconds=0.1) as ended:
        assert not ended.wait(0.2)
        stop.is_told = True
        assert ended.wait(10)
