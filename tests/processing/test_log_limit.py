from __future__ import annotations

import logging

from streaming_runtime.core.log_bounds import OncePerKind
from streaming_runtime.processing.log_limit import KNOWN, LogLimit, is_news


def line(at: float, message: str = "poison") -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": message})
    made.created = at
    return made


def test_only_so_many_lines_pass_in_a_period_and_the_next_tells_how_many_did_not() -> None:
    limit = LogLimit(lines=3, period_seconds=10)

    passed = [limit.filter(line(100.0 + n / 100)) for n in range(50)]
    later = line(111.0)

    assert sum(passed) == 3
    assert limit.filter(later)
    assert vars(later)["held_back"] == 47


def test_what_is_below_the_limit_is_not_marked() -> None:
    one = line(100.0)

    assert LogLimit(lines=3).filter(one)
    assert "held_back" not in vars(one)


def test_poison_without_an_end_is_one_line_a_second_by_what_bounds_all_our_logs() -> None:
    bound = OncePerKind()
    lines = [line(100.0 + n / 1_000) for n in range(5_000)]
    for one in lines:
        one.name, one.levelno = "millrace.processing.handling", logging.WARNING

    passed = [one for one in lines if bound.filter(one)]

    assert len(passed) == 5
    assert [getattr(one, "repeated", 0) for one in passed[1:]] == [999] * 4


def test_known_noise_is_no_news() -> None:
    assert not is_news(line(0.0, f"CONFWARN: Configuration property {KNOWN}: When set"))
    assert is_news(line(0.0, "CONFWARN: something else"))
