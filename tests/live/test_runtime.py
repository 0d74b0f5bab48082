"""What ends the API process, beside a signal."""

from __future__ import annotations

import asyncio

import pytest

from streaming_runtime.core.vitals import VitalEnded, Vitals
from streaming_runtime.live.connections import Connections
from streaming_runtime.live.runtime import _serve
from streaming_runtime.live.server import DrainingServer, listening
from tests.live.test_server import Seen, hello, settings


async def test_a_background_task_that_ends_ends_the_process_after_its_readers() -> None:
    connections = Connections(lambda _: None)
    vitals = Vitals()
    gate = asyncio.Event()
    left: list[str | None] = []

    async def dies() -> None:
        await gate.wait()
        raise ZeroDivisionError

    async def reader() -> None:
        told = asyncio.Event()
        with connections.opened() as connection:
            connection.interrupts(told.set)
            await told.wait()
            left.append(connection.leaving)

    vitals.start("the reader of results", dies())
    reading = asyncio.ensure_future(reader())
    with listening(settings()) as listener:
        server = DrainingServer(hello, listener, connections, 0.2, lambda: None, Seen())
        serving = asyncio.ensure_future(_serve(server, vitals))
        await asyncio.sleep(0.2)

        gate.set()
        with pytest.raises(VitalEnded, match="the reader of results ended") as ended:
            async with asyncio.timeout(10):
                await serving

    assert isinstance(ended.value.__cause__, ZeroDivisionError)
    assert server.is_leaving
    await reading
    assert left == ["restart"]
    await vitals.close(1)
