import asyncio
from functools import partial

import pytest

from streaming_runtime.core.model import Height, Position
from streaming_runtime.live import partition, subscription
from streaming_runtime.live.partition import LivePartition, Ring
from streaming_runtime.live.subscription import NOWHERE, Subscription
from tests.live.entries import ENCODER, OTHER, STREAM, entry


def opened(start: int = 0) -> LivePartition:
    return LivePartition(0, Position(start), ENCODER)


def joined(live: LivePartition, position: Position, stream: str = STREAM) -> Subscription:
    reader = Subscription(stream, position, live, lambda _: None)
    live.behind.add(reader)
    live.splice(reader)
    return reader


async def sources(reader: Subscription) -> list[str]:
    return [result.entry.source for result in await reader.take(0)]


async def test_a_live_reader_gets_its_own_results_and_no_others() -> None:
    live = opened()
    reader = joined(live, Position(0))

    live.feed([entry(0, 0), entry(1, 1, OTHER), entry(2, 2)], 3)

    assert await sources(reader) == ["0-0", "0-2"]


async def test_what_was_read_before_a_reader_came_is_spliced_in_without_hole_or_repeat() -> None:
    live = opened()
    live.feed([entry(0, 0), entry(1, 1)], 2)
    reader = joined(live, Position(1, Height(0)))

    live.feed([entry(2, 2)], 3)

    assert await sources(reader) == ["0-1", "0-2"]


async def test_a_repeat_of_a_source_is_dropped_for_everyone() -> None:
    live = opened()
    reader = joined(live, Position(0))

    live.feed([entry(0, 5), entry(1, 6), entry(2, 5), entry(3, 6), entry(4, 7)], 5)

    assert await sources(reader) == ["0-5", "0-6", "0-7"]


async def test_a_reader_ahead_of_the_pump_gets_nothing_it_has_seen() -> None:
    live = opened()
    reader = joined(live, Position(2, Height(1)))

    live.feed([entry(0, 0), entry(1, 1), entry(2, 2)], 3)

    assert await sources(reader) == ["0-2"]


async def test_a_position_older_than_the_ring_is_not_spliced() -> None:
    live = opened(start=10)
    reader = Subscription(STREAM, Position(9), live, lambda _: None)
    live.behind.add(reader)

    assert not live.splice(reader)

    assert not reader.is_live


async def test_a_reader_that_does_not_read_is_parked_and_brought_on_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscription, "QUEUE_RESULTS", 2)
    live = opened()
    has_room: list[Subscription] = []
    reader = Subscription(STREAM, Position(0), live, has_room.append)
    live.behind.add(reader)
    live.splice(reader)

    live.feed([entry(n, n) for n in range(5)], 5)

    assert await sources(reader) == ["0-0", "0-1"]
    assert has_room == [reader]
    assert live.splice(reader)
    assert await sources(reader) == ["0-2", "0-3"]
    live.splice(reader)
    assert await sources(reader) == ["0-4"]
    reader.close()


async def test_a_slow_reader_does_not_keep_results_from_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscription, "QUEUE_RESULTS", 2)
    live = opened()
    slow, quick = joined(live, Position(0)), joined(live, Position(0))
    taken: list[str] = []

    for n in range(6):
        live.feed([entry(n, n)], n + 1)
        taken += await sources(quick)

    assert taken == [f"0-{n}" for n in range(6)]
    slow.close()


async def test_a_result_is_encoded_once_for_all_its_readers() -> None:
    live = opened()
    first, second = joined(live, Position(0)), joined(live, Position(0))

    live.feed([entry(0, 0)], 1)

    (one,), (two,) = await first.take(0), await second.take(0)
    assert one.sse() is two.sse()


async def test_a_reader_that_left_is_forgotten() -> None:
    live = opened()
    reader = joined(live, Position(0))

    live.leave(reader)

    assert not live.live
    assert not live.behind


async def test_a_reader_waiting_for_an_offset_is_woken_by_others_results() -> None:
    live = opened()
    reader = joined(live, Position(0))
    taking = asyncio.ensure_future(reader.take(5, until=2))
    await asyncio.sleep(0)

    live.feed([entry(0, 0, OTHER), entry(1, 1, OTHER)], 2)

    assert list(await taking) == []
    assert reader.position.offset == 2


def test_the_ring_forgets_the_oldest_beyond_its_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "RING_RESULTS", 3)
    ring = Ring(0)

    for n in range(5):
        ring.add(ENCODER.encode(entry(n, n, STREAM if n % 2 else OTHER)))

    assert ring.start == 2
    assert [r.entry.offset for r in ring.of(STREAM)] == [3]
    assert [r.entry.offset for r in ring.of(OTHER)] == [2, 4]


def test_the_ring_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "RING_BYTES", 2_000)
    ring = Ring(0)

    for n in range(4):
        ring.add(ENCODER.encode(entry(n, n, value=b"1" * 600)))

    assert [r.entry.offset for r in ring.of(STREAM)] == [2, 3]


@pytest.mark.parametrize("is_truncated", [False, True])
async def test_a_reader_that_loses_its_place_gets_what_was_before_it_and_nothing_behind_it(
    is_truncated: bool,
) -> None:
    live = opened()
    reader = joined(live, Position(0))
    live.feed([entry(0, 0), entry(1, 1, OTHER), entry(2, 2, OTHER)], 3)

    for each in live.readers():
        each.lose(is_truncated)
    live.restart(Position(100, Height(2)))
    live.feed([entry(100, 50)], 101)

    assert await sources(reader) == ["0-0"]
    assert await sources(reader) == []
    assert reader.has_lagged
    # Its cursor is where it was, or, where that will be another place, beyond all there is.
    assert reader.position == (NOWHERE if is_truncated else Position(3, Height(2)))
    assert live.ring.start == 100


async def test_a_reader_behind_that_loses_its_place_keeps_it_as_its_cursor() -> None:
    live = opened(start=10)
    behind = Subscription(STREAM, Position(4, Height(3)), live, lambda _: None)
    live.behind.add(behind)

    behind.lose()

    assert (behind.position, behind.has_lagged) == (Position(4, Height(3)), True)


async def test_results_for_many_readers_are_pushed_some_in_each_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partition, "PUSHES_IN_A_TURN", 2)
    live = opened()
    pushed: list[int] = []
    readers = [joined(live, Position(0)) for _ in range(5)]
    waiting = [asyncio.ensure_future(reader.take(5)) for reader in readers]
    for number, reader in enumerate(readers):
        reader.hand_over(partial(_pushed, reader, pushed, number))
    await asyncio.sleep(0)

    live.feed([entry(0, 0), entry(1, 1)], 2)

    seen = []
    for _ in range(4):
        seen.append(len(pushed))
        await asyncio.sleep(0)
    assert seen == [0, 2, 4, 5]
    assert sorted(pushed) == [0, 1, 2, 3, 4]
    for one in waiting:
        one.cancel()


async def test_a_push_that_fails_keeps_no_other_reader_waiting() -> None:
    live = opened()
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    pushed: list[int] = []
    readers = [joined(live, Position(0)) for _ in range(3)]
    waiting = [asyncio.ensure_future(reader.take(5)) for reader in readers]

    def fail() -> bool:
        raise ValueError("cannot write")

    readers[0].hand_over(fail)
    for number in (1, 2):
        reader = readers[number]
        reader.hand_over(partial(_pushed, reader, pushed, number))
    await asyncio.sleep(0)

    live.feed([entry(0, 0)], 1)
    for _ in range(4):
        await asyncio.sleep(0)

    assert sorted(pushed) == [1, 2]
    assert len(told) == 1
    for one in waiting:
        one.cancel()


def _pushed(reader: Subscription, pushed: list[int], number: int) -> bool:
    assert len(reader.take_now()) > 0
    pushed.append(number)
    return True
