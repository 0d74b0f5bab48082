from __future__ import annotations

import hashlib
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
    stop.close()
    for number, handler in earlier.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_tells_it(stop: Stop, number: signal.Signals) -> None:
    assert not stop.is_told

    os.kill(os.getpid(), number)

    assert stop.is_told


def test_it_is_heard_while_the_main_thread_is_in_a_call_that_no_signal_interrupts(
    stop: Stop,
) -> None:
    heard_at: list[float] = []

    def listen() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        deadline = time.monotonic() + 10
        while not stop.hear() and time.monotonic() < deadline:
            time.sleep(0.01)
        heard_at.append(time.monotonic())

    listener = threading.Timer(0.1, listen)
    listener.start()
    # As a call of librdkafka does: it lets other threads run, and looks for no signal.
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2_000_000)
    over = time.monotonic()
    listener.join()

    assert heard_at[0] < over


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
