from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from confluent_kafka import KafkaException

from streaming_runtime.processing import runner
from streaming_runtime.processing.metrics import Tally
from streaming_runtime.processing.pipeline import Pipeline
from streaming_runtime.processing.quix import QuixException
from streaming_runtime.processing.runner import Runner
from streaming_runtime.processing.stopping import Stop
from streaming_runtime.processing.watchdog import Watchdog


class Run:
    """A pipeline that does as its test says."""

    turns = written = outstanding = 0

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self.is_discarded = False

    def run(self) -> None:
        self._act()

    def discard(self) -> None:
        self.is_discarded = True


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(runner, "LONGEST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(runner, "MAX_FAILURES", 3)


def running(stop: Stop, *acts: Callable[[], None]) -> tuple[Runner, list[Run], Tally]:
    """Return a runner whose runs act in turn, the last again and again."""
    made: list[Run] = []
    tally = Tally()

    def make() -> Pipeline:
        made.append(Run(acts[min(len(made), len(acts) - 1)]))
        return cast(Pipeline, made[-1])

    return Runner(make, stop, Watchdog(stop), tally, nothing), made, tally


def fail(error: Exception) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def nothing() -> None:
    pass


@pytest.mark.parametrize("error", [QuixException("x"), KafkaException("x"), BufferError("x")])
def test_after_a_failure_of_kafka_it_starts_again_with_a_pipeline_from_the_last_commit(
    error: Exception,
) -> None:
    runs, made, tally = running(Stop(), fail(error), fail(error), nothing)

    assert runs.run()

    assert len(made) == 3
    assert all(run.is_discarded for run in made)
    assert tally.restarts == 2


def test_a_defect_of_ours_ends_the_process() -> None:
    runs, made, _ = running(Stop(), fail(AttributeError("ours")))

    with pytest.raises(AttributeError):
        runs.run()
    assert made[0].is_discarded


def test_failing_again_and_again_it_gives_up() -> None:
    runs, made, _ = running(Stop(), fail(QuixException("x")))

    assert not runs.run()
    assert len(made) == runner.MAX_FAILURES + 1


def test_steady_runs_do_not_count_towards_giving_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "STEADY_SECONDS", 0.0)
    acts: list[Callable[[], None]] = [fail(QuixException("x"))] * (3 * runner.MAX_FAILURES)
    runs, made, _ = running(Stop(), *acts, nothing)

    assert runs.run()
    assert len(made) == 3 * runner.MAX_FAILURES + 1


def test_a_failure_on_the_way_out_is_told_and_not_tried_again() -> None:
    stop = Stop()

    def told_then_failing() -> None:
        stop.is_told = True
        raise QuixException("the last commit failed")

    runs, made, _ = running(stop, told_then_failing)

    assert not runs.run()
    assert len(made) == 1


def test_told_while_waiting_for_the_topics_it_has_nothing_to_run() -> None:
    make: Any = lambda: None  # noqa: E731 - the shortest way to say nothing

    assert Runner(make, Stop(), Watchdog(Stop()), Tally(), nothing).run()
