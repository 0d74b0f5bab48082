from __future__ import annotations

import asyncio

from streaming_runtime.live.window import Window


async def waits(window: Window, size: int) -> asyncio.Task[None]:
    entering = asyncio.ensure_future(window.enter(size))
    await asyncio.sleep(0)
    assert not entering.done()
    return entering


async def test_only_so_many_enter() -> None:
    window = Window(2, 100)
    await window.enter(1)
    await window.enter(1)

    third = await waits(window, 1)
    window.leave(1)

    await asyncio.wait_for(third, 1)


async def test_only_so_many_bytes_enter() -> None:
    window = Window(9, 100)
    await window.enter(60)

    second = await waits(window, 60)
    window.leave(60)

    await asyncio.wait_for(second, 1)


async def test_what_is_larger_than_all_of_it_enters_alone() -> None:
    window = Window(9, 100)
    await window.enter(1_000)

    second = await waits(window, 1)
    window.leave(1_000)

    await asyncio.wait_for(second, 1)
