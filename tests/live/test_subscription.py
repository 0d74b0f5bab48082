import asyncio

import pytest

from streaming_runtime.core.model import Height, Position
from streaming_runtime.live import subscription
from streaming_runtime.live.partition import LivePartition
from streaming_runtime.live.subscription import Subscription
from tests.live.entries import ENCODER, STREAM, entry

START = Position(0)


def reader(position: Position = START) -> Subscription:
    owner = LivePartition(0, Position(0), ENCODER)
    return Subscription(STREAM, position, owner, lambda _: None)


async def test_taking_returns_at_once_what_is_queued_in_order() -> None:
    one = reader()
    for n in range(3):
        one.offer(ENCODER.encode(entry(n, n)))

    taken = await one.take(10)

    assert [r.entry.offset for r in taken] == [0, 1, 2]
    assert one.position == Position(3, Height(2))


async def test_taking_waits_for_the_first_result() -> None:
    one = reader()
    taking = asyncio.ensure_future(one.take(10))
    await asyncio.sleep(0)

    one.offer(ENCODER.encode(entry(0, 0)))

    assert len(await taking) == 1


async def test_taking_comes_back_empty_when_its_time_is_over() -> None:
    assert list(await reader().take(0.01)) == []


async def test_an_interrupted_reader_gives_what_it_has_and_waits_no_more() -> None:
    one = reader()
    one.offer(ENCODER.encode(entry(0, 0)))

    one.interrupt()

    assert len(await one.take(60)) == 1
    assert list(await one.take(60)) == []


async def test_an_interrupt_wakes_a_reader_that_waits() -> None:
    one = reader()
    taking = asyncio.ensure_future(one.take(60))
    await asyncio.sleep(0)

    one.interrupt()

    assert list(await taking) == []


async def test_the_queue_is_bounded_in_bytes_but_takes_one_large_result() -> None:
    one = reader()
    large = b"1" * subscription.QUEUE_BYTES

    assert one.offer(ENCODER.encode(entry(0, 0, value=large)))
    assert not one.offer(ENCODER.encode(entry(1, 1)))

    assert [r.entry.offset for r in await one.take(0)] == [0]


async def test_a_refused_result_does_not_move_the_position(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "QUEUE_RESULTS", 1)
    one = reader()
    one.offer(ENCODER.encode(entry(0, 0)))

    assert not one.offer(ENCODER.encode(entry(1, 1)))

    assert one.position_behind == Position(1, Height(0))


async def test_what_was_seen_is_not_taken_again() -> None:
    one = reader(Position(5, Height(7)))

    for offset, source in ((4, 8), (5, 7), (6, 8)):
        one.offer(ENCODER.encode(entry(offset, source)))

    assert [r.entry.offset for r in await one.take(0)] == [6]


async def test_a_parked_reader_that_takes_in_time_has_not_lagged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscription, "SLOW_SECONDS", 30.0)
    one = reader()
    one.offer(ENCODER.encode(entry(0, 0)))
    one.park()

    await one.take(0)

    assert not one.is_parked
    assert not one.has_lagged


async def test_a_parked_reader_that_takes_nothing_has_lagged_but_keeps_its_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscription, "SLOW_SECONDS", 0.01)
    one = reader()
    one.offer(ENCODER.encode(entry(0, 0)))
    one.park()

    await asyncio.sleep(0.05)

    assert one.has_lagged
    assert len(await one.take(60)) == 1
    assert list(await one.take(60)) == []


async def test_a_take_is_over_in_time_though_its_timer_was_a_little_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, loop = reader(), asyncio.get_running_loop()
    call_at = loop.call_at
    early = 0.0005
    monkeypatch.setattr(
        loop, "call_at", lambda at, *rest, **known: call_at(at - early, *rest, **known)
    )

    taking = asyncio.ensure_future(one.take(0.05))
    done, _ = await asyncio.wait({taking}, timeout=1)

    assert done == {taking}
    assert list(taking.result()) == []
