"""Runs the pipeline, and after a failure again from the last commit."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable

from confluent_kafka import KafkaException

from streaming_runtime.processing.metrics import Tally
from streaming_runtime.processing.pipeline import Pipeline
from streaming_runtime.processing.quix import InvalidStoreChangelogOffset, QuixException
from streaming_runtime.processing.stopping import Stop
from streaming_runtime.processing.watchdog import Watchdog

log = logging.getLogger("millrace.processing.runner")

# What Kafka's failures look like here; anything else is a defect and ends the process.
FAILURES = (QuixException, KafkaException, BufferError)
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
STEADY_SECONDS = 10.0
MAX_FAILURES = 10


class Runner:
    """Keeps a pipeline running until told to stop.

    ``make`` gives one that begins at the last commit, or None when told to stop;
    ``forget_state`` removes what is on this disk and does not fit what Kafka holds.
    """

    def __init__(
        self,
        make: Callable[[], Pipeline | None],
        stop: Stop,
        watchdog: Watchdog,
        tally: Tally,
        forget_state: Callable[[], None],
    ) -> None:
        self._make = make
        self._stop = stop
        self._watchdog = watchdog
        self._tally = tally
        self._forget_state = forget_state

    def run(self) -> bool:
        """Return True once it has stopped as told; False if it failed on the way or for good.

        Raises:  what ``make`` raises besides failures of Kafka.
        """
        pause, failures = FIRST_PAUSE_SECONDS, 0
        while not self._stop.is_told:
            started = time.monotonic()
            if self._run_once():
                return True
            if time.monotonic() - started >= STEADY_SECONDS:
                pause, failures = FIRST_PAUSE_SECONDS, 0
            failures += 1
            if self._stop.is_told or failures > MAX_FAILURES:
                return False
            self._tally.restarts += 1
            self._stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return True

    def _run_once(self) -> bool:
        try:
            pipeline = self._make()
            if pipeline is not None:
                self._watch(pipeline)
        except FAILURES as exc:
            log.error(
                "the pipeline failed; what is not committed will be done again",
                extra={"reason": repr(exc), "cause": exc.__cause__ and repr(exc.__cause__)},
            )
            if isinstance(exc, InvalidStoreChangelogOffset):
                self._forget_state()
            return False
        finally:
            # librdkafka's threads live until Python lets go of the clients, which are in a cycle.
            pipeline = None
            gc.collect()
        return True

    def _watch(self, pipeline: Pipeline) -> None:
        self._watchdog.watched = pipeline
        try:
            pipeline.run()
        finally:
            self._watchdog.watched = None
            pipeline.discard()
