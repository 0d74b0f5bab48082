"""One loop on a thread: shared by all calls, whoever makes them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from streaming_runtime.kafka.loop_thread import LoopThread


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    thread = LoopThread("kafka-of-a-test")
    yield thread
    thread.stop()


async def where() -> tuple[asyncio.AbstractEventLoop, str]:
    return asyncio.get_running_loop(), threading.current_thread().name


def test_every_call_runs_on_one_loop_of_one_thread(thread: LoopThread) -> None:
    found = {thread.run(where()) for _ in range(3)}
    asyncio.run(asyncio.sleep(0))
    found.add(thread.run(where()))

    assert len(found) == 1
    assert next(iter(found))[1] == "kafka-of-a-test"


def test_first_calls_at_once_start_one_thread(thread: LoopThread) -> None:
    with ThreadPoolExecutor(8) as callers:
        found = set(callers.map(lambda _: thread.run(where()), range(16)))

    assert len(found) == 1


def test_what_the_work_raises_is_raised_to_its_caller(thread: LoopThread) -> None:
    async def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        thread.run(fail())


def test_nothing_runs_before_the_first_call() -> None:
    before = threading.active_count()

    LoopThread("never")

    assert threading.active_count() == before


def test_work_that_stays_goes_on_between_calls_and_is_cancelled_at_the_stop() -> None:
    thread, ended = LoopThread("kafka-of-a-test"), threading.Event()
    kept: list[asyncio.Task[None]] = []

    async def stay() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def begin() -> None:
        kept.append(asyncio.create_task(stay()))

    thread.run(begin())
    thread.run(where())
    assert not ended.is_set()

    thread.stop()

    assert ended.wait(5)
    assert kept[0].cancelled()


def test_a_stopped_thread_may_be_stopped_again_and_starts_anew(thread: LoopThread) -> None:
    first = thread.run(where())
    thread.stop()
    thread.stop()

    assert thread.run(where())[0] is not first[0]
