from __future__ import annotations

import logging
from typing import Any

import pytest

from streaming_runtime.core.log_bounds import FOREIGN_SECONDS, MOST_KINDS, OncePerKind


def record(
    message: str = "Kafka cannot be written to",
    at: float = 0.0,
    name: str = "millrace.kafka.producer",
    level: int = logging.WARNING,
    **extra: Any,
) -> logging.LogRecord:
    made = logging.LogRecord(name, level, "", 0, message, None, None)
    made.created = 1_700_000_000.0 + at
    vars(made).update(extra)
    return made


def test_the_first_of_a_kind_passes_and_then_one_a_second_with_the_count_of_the_others() -> None:
    bound = OncePerKind()
    lines = [record(at=n / 20) for n in range(41)]

    passed = [line for line in lines if bound.filter(line)]

    assert passed == [lines[0], lines[20], lines[40]]
    assert [getattr(line, "repeated", None) for line in passed] == [None, 19, 19]


def test_kinds_do_not_hold_each_other_back() -> None:
    bound = OncePerKind()
    kinds = [
        record(),
        record("a producer is replaced"),
        record(name="millrace.kafka.follower"),
        record("refused", code="broker-unavailable"),
        record("refused", code="outcome-unknown"),
        record("unexpected", exc_info=(ValueError, ValueError(), None)),
        record("unexpected", exc_info=(KeyError, KeyError(), None)),
    ]

    assert all(bound.filter(line) for line in kinds)


def test_what_is_put_into_the_words_makes_no_kind_of_its_own() -> None:
    bound = OncePerKind()
    lines = [
        record("Unable connect to node with id %s: %s", args=(n, "refused"), name="aiokafka")
        for n in range(3)
    ]

    assert [bound.filter(line) for line in lines] == [True, False, False]


def test_aiokafka_speaks_less_often_than_we() -> None:
    bound = OncePerKind()
    moments = [0.0, 1.5, FOREIGN_SECONDS - 0.1, FOREIGN_SECONDS]
    lines = [record(at=at, name="aiokafka.consumer.fetcher") for at in moments]

    assert [bound.filter(line) for line in lines] == [True, False, False, True]


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.CRITICAL])
def test_news_and_what_ends_a_process_always_pass(level: int) -> None:
    bound = OncePerKind()

    assert all(bound.filter(record(level=level)) for _ in range(5))


def test_a_clock_that_is_set_back_silences_nothing() -> None:
    bound = OncePerKind()
    bound.filter(record(at=3600.0))

    assert bound.filter(record(at=0.0))


def test_kinds_without_end_fill_no_memory() -> None:
    bound = OncePerKind()

    for number in range(3 * MOST_KINDS):
        bound.filter(record(f"a text of its own: {number}"))

    assert len(bound._kinds) <= MOST_KINDS
