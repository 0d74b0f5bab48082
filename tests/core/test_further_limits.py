"""Limits beside that of requests: off unless asked for, each with a name of its own."""

from __future__ import annotations

from collections.abc import Sequence

from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.further_limits import DIMENSIONS, Counted, FurtherLimits, FurtherRates
from streaming_runtime.core.limits import Verdict
from streaming_runtime.core.principals import Principal
from streaming_runtime.core.takes import Take


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def admitted(told: list[Counted]) -> bool:
    return all(counted.verdict.is_admitted for counted in told)


async def test_what_is_off_says_nothing_and_lets_everything_in() -> None:
    limits = FurtherLimits(FurtherRates(), Clock())

    assert await limits.of_data("acme", 10**9, 10**9) == []
    assert await limits.of_request(Principal("acme"), "start", None) == []
    assert await limits.of_reader("acme") == []
    assert not limits.has(*DIMENSIONS)


async def test_a_dimension_is_told_by_its_name() -> None:
    limits = FurtherLimits(FurtherRates(records=10), Clock())

    [counted] = await limits.of_data("acme", 5, 99)

    assert counted.policy == '"records";q=30;w=1'
    assert counted.state == '"records";r=15;t=1'


async def test_of_several_none_is_taken_unless_all_are_there() -> None:
    clock = Clock()
    limits = FurtherLimits(FurtherRates(records=10, bytes=100), clock)
    await limits.of_data("acme", 0, 150)

    told = await limits.of_data("acme", 20, 100)

    assert [counted.verdict.is_admitted for counted in told] == [True, False]
    assert told[1].verdict.retry_after_seconds == 1
    # The records were given back.
    assert admitted(await limits.of_data("acme", 20, 50))
    clock.now += 1
    assert not admitted(await limits.of_data("acme", 11, 0))


async def test_each_stream_has_a_bucket_of_its_own() -> None:
    limits = FurtherLimits(FurtherRates(stream=1), Clock())
    acme = Principal("acme")

    told = [await limits.of_request(acme, "send", stream) for stream in "aaab"]

    assert [admitted(each) for each in told] == [True, True, False, True]


async def test_a_key_has_the_limit_that_came_with_it_and_others_have_none() -> None:
    limits = FurtherLimits(FurtherRates(), Clock())
    limited = Principal("acme", key_id="k1", per_second=2, burst=3)

    told = [await limits.of_request(limited, "send", "a") for _ in range(4)]

    assert [admitted(each) for each in told] == [True, True, True, False]
    assert told[0][0].policy == '"key";q=5;w=1'
    assert await limits.of_request(Principal("acme", key_id="k2"), "send", "a") == []
    [another] = await limits.of_request(Principal("acme", key_id="k3", per_second=2), "send", "a")
    assert another.policy == '"key";q=6;w=1'


async def test_a_changed_limit_of_a_key_counts_from_its_next_request_on() -> None:
    limits = FurtherLimits(FurtherRates(), Clock())
    for _ in range(2):
        await limits.of_request(Principal("acme", key_id="k", per_second=1, burst=1), "read", "a")

    changed = Principal("acme", key_id="k", per_second=1, burst=5)
    [told] = await limits.of_request(changed, "read", "a")

    assert told.verdict.remaining == 4


async def test_a_tenant_may_be_named_as_anything() -> None:
    limits = FurtherLimits(FurtherRates(starts=1), Clock())

    for tenant in ("a:b", "starts:9:9:a", "", "é\x00"):
        told = [await limits.of_request(Principal(tenant), "start", None) for _ in range(3)]
        assert [admitted(each) for each in told] == [True, True, False]


class Unreachable:
    """Implements SharedTakes where nobody answers."""

    async def take_all(self, takes: Sequence[Take]) -> list[Verdict]:
        raise BrokerUnavailable


async def test_where_nobody_can_be_asked_a_process_counts_by_itself() -> None:
    limits = FurtherLimits(FurtherRates(reconnects=1), Clock(), Unreachable())

    told = [await limits.of_reader("acme") for _ in range(3)]

    assert [admitted(each) for each in told] == [True, True, False]
