from __future__ import annotations

import asyncio
import gc
from typing import Any

from streaming_runtime.core.waiters import give_up


async def test_nobody_hears_of_what_was_given_up() -> None:
    loop = asyncio.get_running_loop()
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    waits, failed, done = (loop.create_future() for _ in range(3))
    failed.set_exception(ValueError("came before it was given up"))
    done.set_result(1)

    for waiter in (waits, failed, done, waits):
        give_up(waiter)

    assert waits.cancelled()
    del waits, failed, done, waiter
    gc.collect()
    assert told == []
