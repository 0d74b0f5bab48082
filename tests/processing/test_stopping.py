from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from streaming_runtime.processing.stopping import Stop


@pytest.fixture
def ended() -> list[int]:
    """Give the signals that would have ended this process."""
    return []


@pytest.fixture
def stop(ended: list[int]) -> Iterator[Stop]:
    earlier = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    stop = Stop(ended.append)
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_whichever_was_the_first(
    stop: Stop, ended: list[int], number: signal.Signals
) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    assert (stop.hear(), stop.hear(), ended) == (True, True, [])

    os.kill(os.getpid(), number)

    assert ended == [number]


def test_a_second_signal_ends_a_process_whose_main_thread_is_in_such_a_call() -> None:
    """Its handler runs for neither of them: who looks on from another thread ends it."""
    program = (
        "import hashlib, os, signal, threading, time\n"
        "from streaming_runtime.processing.stopping import Stop\n"
        "stop = Stop()\n"
        "stop.listen()\n"
        "def listen():\n"
        "    for _ in range(2):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        while not stop.hear(): time.sleep(0.01)\n"
        "    time.sleep(0.1)\n"
        "    stop.hear()\n"
        "threading.Timer(0.1, listen).start()\n"
        "hashlib.pbkdf2_hmac('sha256', b'a', b'b', 2_000_000_000)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=30)

    assert done.returncode == 128 + signal.SIGTERM


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
