from __future__ import annotations

import asyncio
from typing import cast

from streaming_runtime.live.gathering import GATHERED_BYTES, GatheringTransport
from streaming_runtime.live.stalls import StallWatch


class Recorder:
    """Stands for the loop's transport, whose system calls cannot be counted otherwise."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_closed = False
        self.is_aborted = False
        self.kept_bytes = 0

    def get_extra_info(self, name: str) -> None:
        return None

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_closed or self.is_aborted

    def get_write_buffer_size(self) -> int:
        return self.kept_bytes


def gathering() -> tuple[GatheringTransport, Recorder]:
    recorder = Recorder()
    transport, loop = cast(asyncio.Transport, recorder), asyncio.get_running_loop()
    return GatheringTransport(transport, loop, StallWatch(loop)), recorder


async def test_what_is_written_in_one_turn_leaves_in_one_write() -> None:
    transport, recorder = gathering()

    transport.write(b"head")
    transport.write(b"body")
    assert recorder.writes == []
    await asyncio.sleep(0)

    assert recorder.writes == [b"headbody"]


async def test_turns_are_apart() -> None:
    transport, recorder = gathering()

    for part in (b"one", b"two"):
        transport.write(part)
        await asyncio.sleep(0)

    assert recorder.writes == [b"one", b"two"]


async def test_much_at_once_does_not_wait_for_the_turn() -> None:
    transport, recorder = gathering()

    transport.write(b"a")
    transport.write(b"x" * GATHERED_BYTES)

    assert recorder.writes == [b"a" + b"x" * GATHERED_BYTES]
    await asyncio.sleep(0)
    assert len(recorder.writes) == 1


async def test_closing_writes_what_was_gathered_before() -> None:
    transport, recorder = gathering()

    transport.write(b"bye")
    transport.close()
    await asyncio.sleep(0)

    assert recorder.writes == [b"bye"]
    assert recorder.is_closed


async def test_aborting_writes_nothing_more() -> None:
    transport, recorder = gathering()

    transport.write(b"never")
    transport.abort()
    await asyncio.sleep(0)

    assert recorder.writes == []


async def test_what_is_gathered_counts_as_not_yet_written() -> None:
    transport, recorder = gathering()
    recorder.kept_bytes = 7

    transport.write(b"abc")

    assert transport.get_write_buffer_size() == 10


async def test_everything_else_is_the_transports_own() -> None:
    transport, recorder = gathering()

    assert transport.is_closing() is False
    recorder.is_closed = True
    assert transport.is_closing() is True
