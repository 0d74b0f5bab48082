import asyncio

import pytest

from streaming_runtime.core.errors import BrokerUnavailable, OutcomeUnknown
from streaming_runtime.kafka import backlog as module
from streaming_runtime.kafka.backlog import Backlog
from streaming_runtime.kafka.batch import Pending
from streaming_runtime.kafka.load import Load


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEND_SECONDS", 0.05)


def waiting(load: Load, value: bytes = b"1") -> Pending:
    load.take(10)
    return Pending("t", b"k", value, [], 10, asyncio.get_running_loop().create_future())


def future_of(record: Pending) -> asyncio.Future[tuple[int, int]]:
    assert isinstance(record.waiter, asyncio.Future)
    return record.waiter


async def test_all_are_handed_over_in_the_order_in_which_they_came() -> None:
    load, moved = Load(), list[Pending]()
    backlog = Backlog(load)
    records = [waiting(load, b"%d" % number) for number in range(5)]
    for record in records:
        backlog.add(record)

    backlog.move_to(moved.append)

    assert moved == records
    assert load.records == 5  # The producer releases them, with their outcome.


async def test_whoever_waits_too_long_is_told_that_nothing_was_stored() -> None:
    load = Load()
    backlog = Backlog(load)
    first, second = waiting(load), waiting(load)
    backlog.add(first)
    await asyncio.sleep(0.03)
    backlog.add(second)

    with pytest.raises(BrokerUnavailable):
        await future_of(first)
    assert not second.waiter.done()
    with pytest.raises(BrokerUnavailable):
        await future_of(second)
    assert (load.records, load.bytes) == (0, 0)


async def test_a_record_handed_over_keeps_the_deadline_it_came_with() -> None:
    load = Load()
    backlog = Backlog(load)
    record = waiting(load)
    backlog.add(record)

    backlog.move_to(lambda _: None)

    with pytest.raises(OutcomeUnknown):
        await future_of(record)


async def test_a_record_whose_sender_has_gone_is_dropped() -> None:
    load, moved = Load(), list[Pending]()
    backlog = Backlog(load)
    record = waiting(load)
    backlog.add(record)
    future_of(record).cancel()

    backlog.move_to(moved.append)

    assert moved == []
    assert load.records == 0


async def test_clearing_refuses_all_and_leaves_no_timer() -> None:
    load = Load()
    backlog = Backlog(load)
    record = waiting(load)
    backlog.add(record)

    backlog.clear()

    with pytest.raises(BrokerUnavailable):
        await future_of(record)
    assert backlog._expiry is None
    assert load.records == 0
