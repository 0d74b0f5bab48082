"""The proof that the measurement sees what it is there to see."""

import pytest

from tests.bench.latency import Latency
from tests.bench.ledger import Ledger
from tests.bench.outcome import Outcome, judge
from tests.bench.processes import Usage
from tests.bench.schedule import Schedule

STARTED = 100.0
FIRST = 5_000
ACK_SECONDS = 0.010
ARRIVAL_SECONDS = 0.025


class Run:
    """Ten records to two streams at ten a second, each acknowledged and delivered unless told."""

    def __init__(self, batch: int = 1) -> None:
        schedule = Schedule(rate=10, seconds=1.0, streams=2, batch=batch)
        self.ledger = Ledger(schedule, FIRST, STARTED)

    def due(self, request: int) -> float:
        return STARTED + self.ledger.schedule.due_seconds(request)

    def send(self, request: int, status: int = 202, after: float = ACK_SECONDS) -> None:
        self.ledger.sent(request, self.due(request))
        self.ledger.answered(request, status, b'{"failed":0}', self.due(request) + after)

    def arrive(self, record: int, reader: int | None = None) -> None:
        request = record // self.ledger.schedule.batch
        due = self.due(request)
        reader = self.ledger.schedule.stream_of(request) if reader is None else reader
        self.ledger.arrived(reader, FIRST + record, round(due * 1e6), due + ARRIVAL_SECONDS)

    def outcome(self, gave_up_after_seconds: float | None = None) -> Outcome:
        return judge(
            self.ledger,
            Latency.of([]),
            gave_up_after_seconds=gave_up_after_seconds,
            returns=0,
            used=Usage({"api": 2.0}, {"api": 80.0}, 5.0),
        )


def good_run() -> Run:
    run = Run()
    for request in range(10):
        run.send(request)
        run.arrive(request)
    return run


def test_a_run_in_which_all_is_well_has_no_faults_and_latencies_from_the_due_moment() -> None:
    run = good_run()

    outcome = run.outcome()

    assert run.ledger.is_settled
    assert outcome.faults == []
    assert (outcome.acknowledged, outcome.delivered) == (10, 10)
    assert outcome.ack == Latency(10.0, 10.0, 10.0, 10.0)
    assert outcome.delivery == Latency(25.0, 25.0, 25.0, 25.0)


def test_a_record_that_waited_for_a_connection_counts_from_when_it_was_due() -> None:
    run = Run()

    run.ledger.sent(0, STARTED + 3.0)
    run.ledger.answered(0, 202, b"", STARTED + 3.5)

    assert run.outcome().ack.max == 3500.0


def test_a_record_that_was_acknowledged_and_never_came_is_lost() -> None:
    run = Run()

    for request in range(10):
        run.send(request)
        if request != 4:
            run.arrive(request)

    assert not run.ledger.is_settled
    assert run.outcome().lost == 1
    assert run.outcome().faults == ["1 acknowledged and not delivered"]


def test_a_record_that_was_refused_is_not_lost_but_a_fault() -> None:
    run = Run()

    run.send(0, status=503)

    assert run.outcome().lost == 0
    assert run.outcome().refused == {503: 1}
    assert "1 with 503" in run.outcome().faults[0]


def test_a_broken_connection_is_a_fault_and_says_why() -> None:
    run = Run()

    run.ledger.answered(0, 0, b"the connection broke: closed", STARTED)

    assert "1 with a broken connection; the first: the connection" in run.outcome().faults[0]


def test_an_arrival_before_the_answer_is_no_loss() -> None:
    run = Run()

    run.arrive(0)
    run.send(0)

    assert run.ledger.awaited == 0


def test_a_second_copy_is_a_duplicate() -> None:
    run = good_run()

    run.arrive(3)
    run.arrive(3)

    assert run.outcome().duplicated == 2
    assert run.outcome().reordered == 0
    assert run.outcome().faults == ["2 delivered more than once"]


def test_a_record_behind_one_that_was_sent_after_its_answer_is_out_of_order() -> None:
    run = Run()
    for request in (0, 2):  # Of one stream.
        run.send(request)

    run.arrive(2)
    run.arrive(0)

    assert run.outcome().reordered == 1
    assert "1 delivered out of order" in run.outcome().faults


def test_two_records_under_way_at_once_may_come_in_either_order() -> None:
    run = Run()
    run.send(0, after=60.0)
    run.send(2)

    run.arrive(2)
    run.arrive(0)

    assert run.outcome().reordered == 0


def test_the_records_of_one_batch_have_an_order() -> None:
    run = Run(batch=5)
    run.send(0)

    run.arrive(1)
    run.arrive(0)

    assert run.outcome().reordered == 1


def test_a_batch_that_was_taken_in_part_is_a_fault() -> None:
    run = Run(batch=5)

    run.ledger.answered(0, 207, b'{"accepted":4,"failed":1,"records":[]}', STARTED)
    run.ledger.answered(1, 207, b'{"accepted":5,"failed":0,"records":[]}', STARTED)

    assert run.outcome().refused == {207: 1}
    assert run.outcome().acknowledged == 5


@pytest.mark.parametrize(("record", "reader"), [(0, 1), (10, 0), (-1, 1)])
def test_a_result_at_the_wrong_reader_or_of_another_run_is_a_fault(
    record: int, reader: int
) -> None:
    run = Run()

    run.arrive(record, reader)

    assert run.outcome().misplaced == 1
    assert run.outcome().delivered == 0


def test_a_run_that_was_given_up_says_how_far_it_came() -> None:
    run = Run()
    for request in range(3):
        run.send(request)
        run.arrive(request)

    faults = run.outcome(gave_up_after_seconds=6.0).faults

    assert "not finished 6 s after the first was due: 3 of 10 records acknowledged" in faults[0]
    assert "7 not answered" in faults[1]


def test_costs_are_for_ten_thousand_records() -> None:
    outcome = good_run().outcome()

    assert outcome.cpu_seconds == {"api": 2000.0}
    assert outcome.others_cpu_seconds == 3000.0
    assert outcome.memory_mib == {"api": 80.0}
