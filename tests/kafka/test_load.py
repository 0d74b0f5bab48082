import asyncio

import pytest

from streaming_runtime.core.errors import Overloaded
from streaming_runtime.kafka.load import Load


def test_records_and_bytes_are_both_bounded_and_a_refusal_counts_nothing() -> None:
    load = Load(max_records=2, max_bytes=10)
    load.take(6)

    with pytest.raises(Overloaded):
        load.take(5)
    load.take(4)
    with pytest.raises(Overloaded):
        load.take(0)

    assert (load.records, load.bytes) == (2, 10)


def test_what_is_released_can_be_taken_again() -> None:
    load = Load(max_records=2, max_bytes=10)
    load.take(6)
    load.take(4)

    load.release(2, 10)
    load.take(10)

    assert (load.records, load.bytes) == (1, 10)


async def test_lines_wait_while_half_is_taken_and_single_records_find_room() -> None:
    load = Load(max_records=10)
    for _ in range(6):
        load.take(1)

    lines = asyncio.ensure_future(load.room(3, 3, 60))
    await asyncio.sleep(0.01)
    assert not lines.done()
    load.take(1)
    load.release(2, 2)

    await asyncio.wait_for(lines, 1)
    assert load.records == 5


async def test_all_who_come_at_once_do_not_find_the_same_room() -> None:
    load, most = Load(max_records=40), []

    async def store(count: int) -> None:
        for _ in range(count):
            load.take(1)
        most.append(load.records)
        await asyncio.sleep(0.001)
        load.release(count, count)

    async def upload() -> None:
        for _ in range(5):
            await load.room(10, 10, 60)
            # As lines do: what takes the room is a task of its own.
            await asyncio.ensure_future(store(10))

    await asyncio.wait_for(asyncio.gather(*[upload() for _ in range(20)]), 10)

    assert len(most) == 100
    assert max(most) == 30  # Half of it, and the one who found the last place of that.
    assert (load.records, load.bytes) == (0, 0)


async def test_they_are_let_in_in_the_order_in_which_they_came() -> None:
    load, came = Load(max_records=2), []
    load.take(1)
    load.take(1)

    async def come(number: int) -> None:
        await load.room(1, 1, 60)
        came.append(number)
        load.take(1)
        load.release(1, 1)

    waiting = [asyncio.ensure_future(come(number)) for number in range(5)]
    await asyncio.sleep(0)
    load.release(2, 2)
    await asyncio.wait_for(asyncio.gather(*waiting), 1)

    assert came == [0, 1, 2, 3, 4]


async def test_who_waits_in_vain_is_refused_and_keeps_nobody_behind_it() -> None:
    load = Load(max_records=2)
    load.take(1)
    load.take(1)
    loop = asyncio.get_running_loop()
    begun = loop.time()

    gone = asyncio.ensure_future(load.room(1, 1, 60))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(Overloaded):
        await load.room(1, 1, 0.05)

    assert loop.time() - begun >= 0.05
    last = asyncio.ensure_future(load.room(1, 1, 60))
    await asyncio.sleep(0)
    load.release(2, 2)
    await asyncio.wait_for(last, 1)
    with pytest.raises(asyncio.CancelledError):
        await gone
