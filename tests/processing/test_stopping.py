from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from streaming_runtime.processing.stopping import Stop


@pytest.fixture
def stop() -> Iterator[Stop]:
    earlier = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    stop = Stop()
    stop.listen()
    yield stop
    for number, handler in earlier.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_tells_it(stop: Stop, number: signal.Signals) -> None:
    assert not stop.is_told

    os.kill(os.getpid(), number)

    assert stop.is_told


def test_a_wait_ends_when_told(stop: Stop) -> None:
    teller = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))
    started = time.monotonic()

    teller.start()
    stop.wait(30)

    assert time.monotonic() - started < 10
    teller.join()


def test_a_wait_ends_in_time_without_being_told() -> None:
    started = time.monotonic()

    Stop().wait(0.1)

    assert time.monotonic() - started >= 0.1
