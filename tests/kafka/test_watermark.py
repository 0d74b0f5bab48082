import asyncio

import pytest

from streaming_runtime.kafka.watermark import Watermark


async def test_what_was_reached_is_not_waited_for() -> None:
    mark = Watermark()
    mark.move(5)

    async with asyncio.timeout(1):
        await mark.reach(5)


async def test_each_waiter_goes_on_at_its_own_offset() -> None:
    mark, reached = Watermark(), list[int]()

    async def wait(offset: int) -> None:
        await mark.reach(offset)
        reached.append(offset)

    waiting = asyncio.gather(*(wait(offset) for offset in (9, 3, 6, 6)))
    await asyncio.sleep(0)
    mark.move(2)
    await asyncio.sleep(0)
    assert reached == []
    mark.move(7)
    await asyncio.sleep(0)
    assert sorted(reached) == [3, 6, 6]
    mark.move(9)
    await waiting

    assert reached[-1] == 9


async def test_waiters_that_gave_up_leave_no_more_than_one_event_for_an_offset() -> None:
    mark = Watermark()

    for _ in range(100):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await mark.reach(8)

    assert len(mark._events) == len(mark._waited_for) == 1
    mark.move(8)
    assert not mark._events
