"""Readers of all processes: never more than may be open, of those that are there."""

from __future__ import annotations

from streaming_runtime.core.lease_ledger import SILENT_MS, Entry, LeaseLedger
from streaming_runtime.core.lease_terms import LeaseTerms
from streaming_runtime.core.open_readers import readers_of

START = 1_700_000_000_000
ACME, OTHER = readers_of("acme", 10), readers_of("other", 10)


def ledger() -> LeaseLedger:
    return LeaseLedger(LeaseTerms.of(10, 20))


def opened(made: LeaseLedger, by: str, wanted: int, has: int = 0, at_ms: int = START) -> int:
    entry = Entry(by, 1, "shared", holds={ACME: has}, opens={ACME: wanted})
    return made.apply(entry, at_ms).opened[ACME]


def test_all_processes_together_open_no_more_than_may_be_open() -> None:
    made = ledger()

    assert [opened(made, "a", 6), opened(made, "b", 6), opened(made, "c", 1)] == [6, 4, 0]
    other = made.apply(Entry("c", 2, "shared", opens={OTHER: 3}), START)
    assert other.opened == {OTHER: 3}


def test_who_says_it_has_fewer_makes_room() -> None:
    made = ledger()
    opened(made, "a", 10)

    made.apply(Entry("a", 2, "shared", holds={ACME: 7}), START)

    assert opened(made, "b", 5) == 3
    made.apply(Entry("a", 3, "shared", holds={ACME: 0}), START)
    assert made.readers.of("a") == {}
    assert opened(made, "b", 9, has=3) == 7


def test_who_has_more_than_it_was_granted_is_believed() -> None:
    made = ledger()
    made.apply(Entry("a", 1, "shared", holds={ACME: 12}), START)

    assert opened(made, "b", 1) == 0


def test_the_readers_of_a_process_that_is_gone_are_gone() -> None:
    made = ledger()
    opened(made, "left", 5)
    opened(made, "killed", 5)
    assert opened(made, "b", 1) == 0

    made.apply(Entry("left", 2, "gone"), START)
    assert opened(made, "b", 9) == 5
    assert opened(made, "c", 11, at_ms=START + SILENT_MS + 1) == 10


def test_while_one_counts_alone_nobody_else_opens_any() -> None:
    made = ledger()
    made.apply(Entry("a", 1, "alone", holds={ACME: 4}), START)

    assert made.apply(Entry("b", 1, "shared", opens={ACME: 9}), START).opened == {}
    made.apply(Entry("a", 2, "shared"), START)
    assert opened(made, "b", 9) == 6


def test_processes_that_were_killed_are_forgotten_in_the_end() -> None:
    made = ledger()
    opened(made, "killed", 5)

    made.apply(Entry("b", 1, "shared"), START + 3_600_000)

    assert made.readers.of("killed") == {}
