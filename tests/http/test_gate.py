"""Who is let in, and what the answer says of the limit."""

from collections.abc import Mapping

import pytest

from streaming_runtime.core.errors import BrokerUnavailable, Forbidden, RateLimited, Unauthorized
from streaming_runtime.core.further_limits import FurtherLimits, FurtherRates
from streaming_runtime.core.limits import TenantLimits, Verdict
from streaming_runtime.core.principals import Principal
from streaming_runtime.http.credentials import ConfiguredKeys
from streaming_runtime.http.gate import Gate, HeldGate, SharedGate

KEYS = ConfiguredKeys([("acme", "one"), ("acme", "two"), ("other", "three")])


class Clock:
    """Time as a test tells it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def gate(clock: Clock, per_second: int = 2, burst: int = 3, readers: int = 1) -> Gate:
    return Gate(KEYS, TenantLimits(per_second, burst, readers, clock))


async def test_an_admission_tells_what_is_left() -> None:
    admission = await gate(Clock()).enter({"x-api-key": "one"}, "read")

    assert admission.tenant == "acme"
    assert admission.headers == {
        "RateLimit-Policy": '"requests";q=5;w=1',
        "RateLimit": '"requests";r=2;t=1',
    }


async def test_the_limit_is_the_tenants_whatever_its_keys_and_headers() -> None:
    ours = gate(Clock())
    for key in ("one", "two", "one"):
        await ours.enter({"x-api-key": key, "x-forwarded-for": key}, "read")

    with pytest.raises(RateLimited):
        await ours.enter(
            {"x-api-key": "two", "x-forwarded-for": "192.0.2.7", "forwarded": "for=x"}, "read"
        )
    assert (await ours.enter({"x-api-key": "three"}, "read")).tenant == "other"


async def test_a_refusal_names_a_time_after_which_a_request_succeeds() -> None:
    clock = Clock()
    ours = gate(clock)
    for _ in range(3):
        await ours.enter({"x-api-key": "one"}, "read")

    with pytest.raises(RateLimited) as refused:
        await ours.enter({"x-api-key": "one"}, "read")
    clock.now += int(refused.value.headers["Retry-After"])

    assert {"Retry-After", "RateLimit", "RateLimit-Policy"} <= set(refused.value.headers)
    assert await ours.enter({"x-api-key": "one"}, "read")


async def test_a_wrong_key_takes_nothing_from_a_tenant() -> None:
    ours = gate(Clock(), burst=1)
    for _ in range(5):
        with pytest.raises(Unauthorized):
            await ours.enter({"x-api-key": "wrong"}, "read")

    assert await ours.enter({"x-api-key": "one"}, "read")


async def test_a_limit_that_is_off_says_nothing_of_itself() -> None:
    admission = await gate(Clock(), per_second=0, burst=0).enter({"x-api-key": "one"}, "read")

    assert admission.headers == {}


async def test_open_readers_are_counted_in_and_out() -> None:
    ours = gate(Clock())
    await ours.open_reader("acme")

    with pytest.raises(RateLimited) as refused:
        await ours.open_reader("acme")
    assert int(refused.value.headers["Retry-After"]) > 0

    ours.close_reader("acme")
    await ours.open_reader("acme")


class Counter:
    """Implements SharedLimits: lets in what it is told to, or cannot be asked."""

    def __init__(self, verdict: Verdict | None) -> None:
        self._verdict = verdict

    async def take(self, tenant: str, count: int = 1) -> Verdict:
        if self._verdict is None:
            raise BrokerUnavailable
        return self._verdict


def shared(verdict: Verdict | None) -> SharedGate:
    return SharedGate(KEYS, TenantLimits(1, 1, 0, lambda: 0.0), Counter(verdict))


async def test_what_all_processes_have_let_in_decides() -> None:
    admission = await shared(Verdict(True, 7, 3, 0)).enter({"x-api-key": "one"}, "read")

    assert admission.tenant == "acme"
    assert admission.headers["RateLimit"] == '"requests";r=7;t=3'
    with pytest.raises(RateLimited) as caught:
        await shared(Verdict(False, 0, 5, 4)).enter({"x-api-key": "one"}, "read")
    assert caught.value.headers["Retry-After"] == "4"


async def test_while_they_cannot_be_asked_a_process_counts_by_itself() -> None:
    gate = shared(None)

    await gate.enter({"x-api-key": "one"}, "read")
    with pytest.raises(RateLimited):
        await gate.enter({"x-api-key": "one"}, "read")


async def test_a_wrong_key_is_not_counted() -> None:
    with pytest.raises(Unauthorized):
        await shared(None).enter({"x-api-key": "wrong"}, "read")


class Holder:
    """Implements Credentials: everybody is the same principal."""

    def __init__(self, principal: Principal) -> None:
        self._principal = principal

    async def principal_of(
        self,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        stream_id: str | None,
        *,
        is_socket: bool = False,
    ) -> Principal:
        return self._principal


async def test_a_credential_without_the_scope_is_forbidden_and_takes_nothing() -> None:
    reader = Principal("acme", frozenset({"read"}))
    ours = Gate(Holder(reader), TenantLimits(1, 1, 0, Clock()))

    for scope in ("start", "send", "admin"):
        with pytest.raises(Forbidden):
            await ours.enter({}, scope)
    assert await ours.enter({}, "read")


async def test_a_credential_for_some_streams_is_forbidden_on_others() -> None:
    ours = Gate(Holder(Principal("acme", streams="ab*")), TenantLimits(0, 0, 0, Clock()))

    assert await ours.enter({}, "send", "abc")
    assert await ours.enter({}, "start")
    with pytest.raises(Forbidden):
        await ours.enter({}, "send", "xab")


class Held:
    """Implements HeldLimits: what it holds, and what it gives when it is asked."""

    def __init__(self, held: Verdict | None, asked: Verdict | None) -> None:
        self._held, self._asked = held, asked

    def take_held(self, tenant: str) -> Verdict | None:
        return self._held

    async def take(self, tenant: str) -> Verdict:
        if self._asked is None:
            raise BrokerUnavailable
        return self._asked


def held_gate(held: Verdict | None, asked: Verdict | None) -> HeldGate:
    return HeldGate(KEYS, TenantLimits(1, 1, 0, lambda: 0.0), Held(held, asked))


async def test_what_is_held_is_used_before_anybody_is_asked() -> None:
    held = await held_gate(Verdict(True, 7, 1, 0), None).enter({"x-api-key": "one"}, "read")
    asked = await held_gate(None, Verdict(True, 3, 1, 0)).enter({"x-api-key": "one"}, "read")

    assert held.headers["RateLimit"] == '"requests";r=7;t=1'
    assert asked.headers["RateLimit"] == '"requests";r=3;t=1'
    with pytest.raises(RateLimited) as caught:
        await held_gate(None, Verdict(False, 0, 5, 4)).enter({"x-api-key": "one"}, "read")
    assert caught.value.headers["Retry-After"] == "4"


async def test_while_nobody_can_be_asked_what_is_not_held_is_counted_here() -> None:
    gate = held_gate(None, None)

    await gate.enter({"x-api-key": "one"}, "read")
    with pytest.raises(RateLimited):
        await gate.enter({"x-api-key": "one"}, "read")


def further(clock: Clock, rates: FurtherRates, principal: Principal | None = None) -> Gate:
    limits = TenantLimits(1_000, 2_000, 9, clock)
    return Gate(Holder(principal or Principal("acme")), limits, FurtherLimits(rates, clock))


async def test_starts_and_requests_for_one_stream_have_limits_of_their_own() -> None:
    clock = Clock()
    ours = further(clock, FurtherRates(starts=1, stream=1))
    for _ in range(2):
        admission = await ours.enter({}, "start")
        await ours.enter({}, "send", "a")

    assert admission.headers == {
        "RateLimit-Policy": '"requests";q=3000;w=1, "starts";q=3;w=1',
        "RateLimit": '"requests";r=1997;t=1, "starts";r=0;t=2',
    }
    for scope, stream in (("start", None), ("read", "a")):
        with pytest.raises(RateLimited) as refused:
            await ours.enter({}, scope, stream)  # type: ignore[arg-type]
        assert int(refused.value.headers["Retry-After"]) >= 1
    assert await ours.enter({}, "read")
    assert await ours.enter({}, "send", "b")
    clock.now += int(refused.value.headers["Retry-After"])
    assert await ours.enter({}, "start")
    assert await ours.enter({}, "send", "a")


async def test_a_key_with_a_limit_is_refused_and_the_tenants_other_keys_are_not() -> None:
    clock = Clock()
    key = Principal("acme", key_id="k1", per_second=1, burst=1)
    ours = further(clock, FurtherRates(), key)

    await ours.enter({}, "read")
    with pytest.raises(RateLimited) as refused:
        await ours.enter({}, "read")

    assert refused.value.headers["RateLimit"].startswith('"key";r=0;')
    assert refused.value.headers["RateLimit-Policy"] == '"key";q=2;w=1'
    assert await ours.counted(Principal("acme", key_id="k2"), "read")
    clock.now += int(refused.value.headers["Retry-After"])
    assert await ours.enter({}, "read")


async def test_records_and_bytes_are_counted_before_anything_is_stored() -> None:
    ours = further(Clock(), FurtherRates(records=10, bytes=100))

    fields = await ours.count_data("acme", 2, 50, {"RateLimit": "x", "RateLimit-Policy": "y"})
    with pytest.raises(RateLimited, match="bytes") as refused:
        await ours.count_data("acme", 1, 151)
    with pytest.raises(RateLimited, match="records"):
        await ours.count_data("acme", 19, 1)

    assert fields["RateLimit"] == 'x, "records";r=18;t=1, "bytes";r=150;t=1'
    assert refused.value.headers["RateLimit-Policy"] == '"bytes";q=300;w=1'
    assert await ours.count_data("acme", 18, 150)
    assert await ours.count_data("other", 20, 200)


async def test_new_readers_have_a_pace() -> None:
    ours = further(Clock(), FurtherRates(reconnects=1))
    for _ in range(2):
        await ours.open_reader("acme")
        ours.close_reader("acme")

    with pytest.raises(RateLimited) as refused:
        await ours.open_reader("acme")
    assert refused.value.headers["RateLimit-Policy"] == '"reconnects";q=3;w=1'
