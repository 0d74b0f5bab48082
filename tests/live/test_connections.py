import asyncio

import pytest

from streaming_runtime.live import connections
from streaming_runtime.live.connections import Connections


def counted() -> tuple[Connections, list[int]]:
    counts: list[int] = []
    return Connections(counts.append), counts


async def test_open_connections_are_counted_in_and_out() -> None:
    all_of_them, counts = counted()

    with all_of_them.opened(), all_of_them.opened():
        pass

    assert counts == [1, 2, 1, 0]


async def test_a_reader_that_was_slow_is_counted_when_it_leaves() -> None:
    slow: list[str] = []
    all_of_them = Connections(lambda _: None, lambda: slow.append("slow"))

    with all_of_them.opened(), all_of_them.opened() as connection:
        connection.was_slow = True

    assert slow == ["slow"]


async def test_leaving_interrupts_and_the_first_reason_stays() -> None:
    all_of_them, _ = counted()
    interrupted: list[str] = []

    with all_of_them.opened() as connection:
        connection.interrupts(lambda: interrupted.append("now"))
        connection.leave("rotation")
        connection.leave("restart")

    assert connection.leaving == "rotation"
    assert interrupted == ["now", "now"]


async def test_a_client_that_is_gone_is_gone_whatever_was_planned() -> None:
    all_of_them, _ = counted()

    with all_of_them.opened() as connection:
        connection.leave("restart")
        connection.leave("gone")

    assert connection.leaving == "gone"


async def test_what_was_told_to_leave_before_it_read_is_interrupted_at_once() -> None:
    all_of_them, _ = counted()
    interrupted: list[str] = []

    with all_of_them.opened() as connection:
        connection.leave("restart")
        connection.interrupts(lambda: interrupted.append("now"))

    assert interrupted == ["now"]


async def test_a_connection_is_rotated_by_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ROTATION_SECONDS", (0.01, 0.02))
    all_of_them, _ = counted()
    left = asyncio.Event()

    with all_of_them.opened() as connection:
        connection.interrupts(left.set)
        async with asyncio.timeout(5):
            await left.wait()

    assert connection.leaving == "rotation"


async def test_a_drain_sends_all_away_within_its_window_and_waits_for_them() -> None:
    all_of_them, counts = counted()
    reasons = []

    async def hold() -> None:
        with all_of_them.opened() as connection:
            left = asyncio.Event()
            connection.interrupts(left.set)
            await left.wait()
            reasons.append(connection.leaving)

    holding = [asyncio.ensure_future(hold()) for _ in range(20)]
    await asyncio.sleep(0)
    started = asyncio.get_running_loop().time()

    await all_of_them.drain(0.2)

    assert asyncio.get_running_loop().time() - started < 1.0
    await asyncio.gather(*holding)
    assert reasons == ["restart"] * 20
    assert counts[-1] == 0


async def test_an_upload_is_stopped_while_there_is_time_for_its_receipts() -> None:
    all_of_them, _ = counted()
    times: list[float] = []
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def hold() -> None:
        with all_of_them.uploading() as connection:
            left = asyncio.Event()
            connection.interrupts(left.set)
            await left.wait()
            times.append(loop.time() - begun)

    holding = [asyncio.ensure_future(hold()) for _ in range(50)]
    await asyncio.sleep(0)

    await all_of_them.drain(2.0)

    await asyncio.gather(*holding)
    assert max(times) < 1.5  # By half of the window, and what a busy machine adds.


async def test_who_comes_while_draining_is_sent_away_within_what_is_left() -> None:
    all_of_them, _ = counted()
    await all_of_them.drain(0.05)
    left = asyncio.Event()

    with all_of_them.opened() as connection:
        connection.interrupts(left.set)
        async with asyncio.timeout(1):
            await left.wait()

    assert connection.leaving == "restart"
