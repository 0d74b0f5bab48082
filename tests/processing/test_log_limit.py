from __future__ import annotations

import logging

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


def test_known_noise_is_no_news() -> None:
    assert not is_news(line(0.0, f"CONFWARN: Configuration property {KNOWN}: When set"))
    assert is_news(line(0.0, "CONFWARN: something else"))
