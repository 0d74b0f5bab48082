import asyncio
from time import perf_counter

from tests.bench.connection import Asked, Nothing, Work
from tests.bench.ledger import Ledger
from tests.bench.load import OpenLoop
from tests.bench.schedule import Schedule
from tests.bench.wire import SendFrames


class Senders:
    """Takes ``room`` requests, never answers any, and tells when it has ``awaited`` of them."""

    def __init__(self, room: int = 1000, awaited: int = 50) -> None:
        self.work: Work = Nothing()
        self.asked: list[Asked] = []
        self.first_at = 0.0
        self.room = room
        self._awaited = awaited
        self._has_all = asyncio.Event()

    def pump(self) -> None:
        while len(self.asked) < self.room and (asked := self.work.next()) is not None:
            self.first_at = self.first_at or perf_counter()
            self.asked.append(asked)
        if len(self.asked) >= self._awaited:
            self._has_all.set()

    async def have_all(self) -> None:
        async with asyncio.timeout(10):
            await self._has_all.wait()


def loop_of(senders: Senders, rate: int = 1000, started: float | None = None) -> OpenLoop:
    schedule = Schedule(rate=rate, seconds=0.05, streams=4)
    ledger = Ledger(schedule, 0, perf_counter() if started is None else started)
    return OpenLoop(ledger, SendFrames(40), senders)


async def test_everything_is_sent_though_nothing_is_answered() -> None:
    senders = Senders()
    loop = loop_of(senders)

    loop.start()
    await senders.have_all()

    assert [asked.number for asked in senders.asked] == list(range(50))
    assert [asked.stream for asked in senders.asked[:6]] == [0, 1, 2, 3, 0, 1]


async def test_nothing_is_sent_before_it_is_due() -> None:
    senders = Senders(awaited=1)
    started = perf_counter() + 0.1
    loop = loop_of(senders, started=started)

    loop.start()
    await senders.have_all()

    assert senders.first_at >= started


async def test_what_finds_no_connection_waits_and_is_not_dropped() -> None:
    senders = Senders(room=3)
    loop = loop_of(senders, started=perf_counter() - 1.0)

    loop.start()
    waiting = loop.backlog
    senders.room = 1000
    senders.pump()

    assert waiting == 47
    assert len(senders.asked) == 50
    assert loop.backlog == 0


async def test_a_backlog_is_not_put_down_to_the_generator() -> None:
    senders = Senders(room=3)
    loop = loop_of(senders)

    loop.start()
    await asyncio.sleep(0.1)

    assert len(loop.late_seconds) <= 4


async def test_a_generator_that_was_held_up_says_so() -> None:
    senders = Senders()
    loop = loop_of(senders, started=perf_counter() - 0.5)

    loop.start()

    assert 0.5 <= max(loop.late_seconds) < 5.0


async def test_a_late_answer_to_an_earlier_run_is_not_this_runs() -> None:
    senders = Senders()
    schedule = Schedule(rate=1000, seconds=0.05, streams=4)
    ledger = Ledger(schedule, 500, perf_counter() - 1.0)
    loop = OpenLoop(ledger, SendFrames(40), senders)
    loop.start()

    loop.answered(499, 202, b"", perf_counter())
    loop.answered(500, 202, b"", perf_counter())

    assert ledger.answers == 1
