"""Limits beside that of requests: off unless asked for, each with a name of its own."""

from __future__ import annotations

import pytest

from streaming_runtime.core import further_limits
from streaming_runtime.core.further_limits import FurtherLimits, FurtherRates, Take
from streaming_runtime.core.principals import Principal


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def admitted(limits: FurtherLimits, *takes: Take) -> bool:
    return all(counted.verdict.is_admitted for counted in limits.take(takes))


def test_what_is_off_says_nothing_and_lets_everything_in() -> None:
    limits = FurtherLimits(FurtherRates(), Clock())

    assert limits.take([Take("records", "acme", 10**9), Take("bytes", "acme", 10**9)]) == []
    assert not limits.has("records", "bytes", "starts", "stream", "reconnects")


def test_a_dimension_is_told_by_its_name() -> None:
    limits = FurtherLimits(FurtherRates(records=10), Clock())

    [counted] = limits.take([Take("records", "acme", 5)])

    assert counted.policy == '"records";q=30;w=1'
    assert counted.state == '"records";r=15;t=1'


def test_of_several_none_is_taken_unless_all_are_there() -> None:
    clock = Clock()
    limits = FurtherLimits(FurtherRates(records=10, bytes=100), clock)
    limits.take([Take("bytes", "acme", 150)])

    told = limits.take([Take("records", "acme", 20), Take("bytes", "acme", 100)])

    assert [counted.verdict.is_admitted for counted in told] == [True, False]
    assert told[1].verdict.retry_after_seconds == 1
    # The records were given back.
    assert admitted(limits, Take("records", "acme", 20), Take("bytes", "acme", 50))
    clock.now += 1
    assert not admitted(limits, Take("records", "acme", 11))


def test_each_stream_has_a_bucket_of_its_own() -> None:
    limits = FurtherLimits(FurtherRates(stream=1), Clock())

    assert admitted(limits, Take("stream", "acme/a", 2))
    assert not admitted(limits, Take("stream", "acme/a"))
    assert admitted(limits, Take("stream", "acme/b", 2))


def test_a_key_has_the_limit_that_came_with_it_and_others_have_none() -> None:
    clock = Clock()
    limits = FurtherLimits(FurtherRates(), clock)
    limited = Principal("acme", key_id="k1", per_second=2, burst=3)

    told = [limits.take_of_key(limited) for _ in range(4)]

    assert [each and each.verdict.is_admitted for each in told] == [True, True, True, False]
    assert told[0] is not None and told[0].policy == '"key";q=5;w=1'
    assert limits.take_of_key(Principal("acme", key_id="k2")) is None
    another = limits.take_of_key(Principal("acme", key_id="k3", per_second=2))
    assert another is not None and another.policy == '"key";q=6;w=1'


def test_a_changed_limit_of_a_key_counts_from_its_next_request_on() -> None:
    limits = FurtherLimits(FurtherRates(), Clock())
    for _ in range(2):
        limits.take_of_key(Principal("acme", key_id="k1", per_second=1, burst=1))

    told = limits.take_of_key(Principal("acme", key_id="k1", per_second=1, burst=5))

    assert told is not None and told.verdict.remaining == 4


def test_keys_that_are_not_used_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(further_limits, "MOST_KEYS", 3)
    limits = FurtherLimits(FurtherRates(), Clock())

    for number in range(9):
        limits.take_of_key(Principal("acme", key_id=f"k{number}", per_second=1, burst=1))

    assert len(limits._keys) == 3
    last = limits.take_of_key(Principal("acme", key_id="k8", per_second=1, burst=1))
    assert last is not None and not last.verdict.is_admitted
