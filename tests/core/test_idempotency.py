"""Keyed sends: who may use a key, what is replayed, and what is tried again."""

from __future__ import annotations

import asyncio

import pytest

from streaming_runtime.core import idempotency
from streaming_runtime.core.errors import (
    BrokerUnavailable,
    IdempotencyInProgress,
    IdempotencyMismatch,
    InvalidBody,
    OutcomeUnknown,
    Overloaded,
    StreamEnded,
    StreamingError,
)
from streaming_runtime.core.idempotency import (
    KEPT_MS,
    TAKEOVER_MS,
    KeyedAnswer,
    KeyedSend,
    KeyedSending,
)
from streaming_runtime.core.model import Receipt, Record, Stream
from streaming_runtime.core.ports import Claim
from streaming_runtime.core.sending import Sending
from tests.core.keys import MemoryClaims, MemoryInput, Shared
from tests.core.memory import PARTITION, MemoryRegistry, MemorySink, a_stream


class World:
    """Two replicas over one Kafka."""

    def __init__(self) -> None:
        self.sink = MemorySink()
        self.registry = MemoryRegistry()
        self.registry.streams[a_stream().stream_id] = a_stream()
        self.shared = Shared()
        self.input = MemoryInput(self.sink)
        self.claims = [MemoryClaims(self.shared) for _ in range(2)]
        self.replicas = [self.replica(claims) for claims in self.claims]

    def replica(self, claims: MemoryClaims) -> KeyedSending:
        sending = Sending(self.sink, self.registry, lambda: self.shared.now_ms)
        return KeyedSending(sending, claims, self.input)

    def end_stream(self, end_source: int) -> None:
        ended = a_stream(ended_at=1, end_source=end_source)
        self.registry.streams[ended.stream_id] = ended


@pytest.fixture
def world() -> World:
    return World()


def single(body: bytes = b"1", key: str = "k", stream: Stream | None = None) -> KeyedSend:
    return KeyedSend.single(stream or a_stream(), key, body, body, None)


def batch(*records: bytes | StreamingError) -> KeyedSend:
    return KeyedSend.batch(a_stream(), "k", repr(records).encode(), records, None)


def stored(answer: KeyedAnswer) -> list[int | str]:
    return [o.offset if isinstance(o, Receipt) else o.code for o in answer.outcomes]


async def test_the_first_answer_is_given_again_by_whoever_is_asked(world: World) -> None:
    first = await world.replicas[0].send(single())
    again = [await replica.send(single()) for replica in world.replicas * 2]

    assert (first.is_replayed, first.outcomes) == (False, [Receipt(PARTITION, 0)])
    assert all(answer.is_replayed and answer.outcomes == first.outcomes for answer in again)
    assert {answer.results_end for answer in (first, *again)} == {7}
    assert [record.idempotency_key for record in world.sink.records] == ["k"]
    assert world.input.looks == 1  # The other replica's first time.


async def test_another_key_or_stream_is_another_send(world: World) -> None:
    other = a_stream(stream_id="B" * 22)

    for send in (single(), single(key="K"), single(stream=other)):
        assert not (await world.replicas[0].send(send)).is_replayed

    assert len(world.sink.records) == 3


async def test_another_body_under_a_used_key_is_a_mismatch(world: World) -> None:
    await world.replicas[0].send(single())

    for replica in world.replicas:
        with pytest.raises(IdempotencyMismatch):
            await replica.send(single(b"2"))


async def test_no_name_of_a_batch_is_a_key_of_a_client(world: World) -> None:
    await world.replicas[0].send(batch(b"1", InvalidBody(), b"3"))

    assert [record.idempotency_key for record in world.sink.records] == ["k\n0", "k\n2"]


async def test_while_the_first_runs_the_second_is_told_to_wait_a_second(world: World) -> None:
    async def second(replica: KeyedSending) -> None:
        with pytest.raises(IdempotencyInProgress) as refusal:
            await replica.send(single())
        refusals.append(refusal.value.headers)

    refusals: list[dict[str, str]] = []
    seconds: list[asyncio.Task[None]] = []
    is_stored = asyncio.Event()

    async def append(record: Record) -> Receipt:
        seconds.extend(asyncio.ensure_future(second(replica)) for replica in world.replicas)
        world.input.sees_nothing = True
        await asyncio.gather(*seconds)
        world.input.sees_nothing = False
        is_stored.set()
        return await MemorySink.append(world.sink, record)

    world.sink.append = append  # type: ignore[method-assign]
    answer = await world.replicas[0].send(single())

    assert is_stored.is_set() and not answer.is_replayed
    assert refusals == [{"Retry-After": "1"}] * 2


async def test_of_two_that_claim_at_once_one_wins_and_the_other_waits_or_replays(
    world: World,
) -> None:
    for claims in world.claims:
        claims.is_blind = True  # As if neither had read of the other's claim yet.

    outcomes = await asyncio.gather(
        *(replica.send(single()) for replica in world.replicas), return_exceptions=True
    )
    again = await world.replicas[1].send(single())

    assert len(world.sink.records) == 1
    assert again.is_replayed
    for outcome in outcomes:
        assert isinstance(outcome, KeyedAnswer | IdempotencyInProgress)


@pytest.mark.parametrize("failure", [BrokerUnavailable(), Overloaded()])
async def test_what_was_certainly_not_stored_leaves_the_key_to_any_body(
    world: World, failure: StreamingError
) -> None:
    world.sink.failures.append(failure)

    refused = await world.replicas[0].send(single())
    other = await world.replicas[1].send(single(b"2"))

    assert stored(refused) == [failure.code]
    assert (stored(other), other.is_replayed) == ([0], False)


async def test_after_an_unknown_outcome_what_landed_is_replayed(world: World) -> None:
    async def lost(record: Record) -> Receipt:
        await MemorySink.append(world.sink, record)
        raise OutcomeUnknown

    world.sink.append = lost  # type: ignore[method-assign]
    unknown = await world.replicas[0].send(single())
    answers = [await replica.send(single()) for replica in reversed(world.replicas)]

    assert stored(unknown) == ["outcome-unknown"]
    assert [stored(answer) for answer in answers] == [[0], [0]]
    assert len(world.sink.records) == 1


async def test_after_an_unknown_outcome_what_did_not_land_is_sent_by_anybody_with_that_body(
    world: World,
) -> None:
    world.sink.failures.append(OutcomeUnknown())
    await world.replicas[0].send(single())

    with pytest.raises(IdempotencyMismatch):
        await world.replicas[1].send(single(b"2"))
    answer = await world.replicas[1].send(single())

    assert (stored(answer), answer.is_replayed) == ([0], False)


async def test_what_a_dead_process_left_is_found_or_taken_over_in_time(world: World) -> None:
    async def never(record: Record) -> Receipt:
        await asyncio.Event().wait()
        raise AssertionError

    world.sink.append = never  # type: ignore[method-assign]
    dying = asyncio.ensure_future(world.replicas[0].send(single()))
    for _ in range(10):
        await asyncio.sleep(0)
    dying.cancel()
    await asyncio.wait({dying})
    del world.sink.append

    world.shared.now_ms += TAKEOVER_MS - 1
    with pytest.raises(IdempotencyInProgress):
        await world.replicas[1].send(single())
    world.shared.now_ms += 1
    answer = await world.replicas[1].send(single())

    assert (stored(answer), answer.is_replayed) == ([0], False)


async def test_a_key_counts_for_a_day_and_no_longer(world: World) -> None:
    await world.replicas[0].send(single())

    world.shared.now_ms += 24 * 3_600_000
    kept = await world.replicas[0].send(single())
    world.shared.now_ms += KEPT_MS - 24 * 3_600_000
    anew = await world.replicas[1].send(single(b"2"))

    assert kept.is_replayed
    assert (stored(anew), anew.is_replayed) == ([1], False)


async def test_of_a_batch_what_failed_in_between_is_sent_again_alone(world: World) -> None:
    async def refuses_two(record: Record) -> Receipt:
        if record.value == b"2":
            raise BrokerUnavailable
        return await MemorySink.append(world.sink, record)

    send = batch(b"1", b"2", InvalidBody(), b"4")
    world.sink.append = refuses_two  # type: ignore[method-assign]
    first = await world.replicas[0].send(send)
    del world.sink.append
    second = await world.replicas[1].send(send)
    third = await world.replicas[0].send(send)

    assert stored(first) == [0, "broker-unavailable", "invalid-body", 1]
    assert stored(second) == stored(third) == [0, 2, "invalid-body", 1]
    assert (second.is_replayed, third.is_replayed) == (False, True)


async def test_a_batch_of_which_nothing_is_good_needs_no_key(world: World) -> None:
    answer = await world.replicas[0].send(batch(InvalidBody()))

    assert stored(answer) == ["invalid-body"]
    assert world.shared.claims == {}


async def test_a_receipt_outlives_its_stream_and_a_new_key_does_not(world: World) -> None:
    await world.replicas[0].send(single())
    world.end_stream(end_source=1)
    ended = world.registry.streams[a_stream().stream_id]

    world.claims[1].is_blind = True  # It was answered only just now, elsewhere.
    for replica in world.replicas:
        assert stored(await replica.send(single(stream=ended))) == [0]
        with pytest.raises(StreamEnded):
            await replica.send(single(key="new", stream=ended))

    assert len(world.shared.claims) == 1


async def test_a_record_behind_the_end_is_no_receipt(world: World) -> None:
    world.sink.before_ack = lambda: world.end_stream(end_source=0)
    world.sink.records = [Record(a_stream(), b"null", 1, "end")]

    first = await world.replicas[0].send(single())

    assert stored(first) == ["stream-ended"]
    for replica in world.replicas:
        with pytest.raises(StreamEnded):
            await replica.send(single(stream=world.registry.streams[a_stream().stream_id]))


async def test_a_batch_that_the_end_cut_is_replayed_as_it_was(world: World) -> None:
    def end_after_one() -> None:
        if len(world.sink.records) == 1:
            world.end_stream(end_source=0)

    world.sink.before_ack = end_after_one
    send = batch(b"1", b"2")

    first = await world.replicas[0].send(send)
    again = [await replica.send(send) for replica in world.replicas]

    assert stored(first) == [0, "stream-ended"]
    assert [stored(answer) for answer in again] == [stored(first)] * 2


async def test_a_claim_that_cannot_be_made_stores_nothing(world: World) -> None:
    world.claims[0].failures.append(BrokerUnavailable())

    with pytest.raises(BrokerUnavailable):
        await world.replicas[0].send(single())
    answer = await world.replicas[0].send(single())

    assert stored(answer) == [0]
    assert not answer.is_replayed


async def test_a_look_that_takes_too_long_is_over_in_time_and_stores_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(use: bytes) -> Claim | None:
        await asyncio.Event().wait()
        raise AssertionError

    assert idempotency.CLAIM_SECONDS < idempotency.SEND_SECONDS == 3
    monkeypatch.setattr(idempotency, "CLAIM_SECONDS", 0.01)
    world.claims[0].find = never  # type: ignore[method-assign]

    with pytest.raises(Overloaded):
        await world.replicas[0].send(single())
    assert world.sink.records == []


async def test_a_record_that_is_not_acknowledged_in_time_has_an_unknown_outcome(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(record: Record) -> Receipt:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(idempotency, "SEND_SECONDS", 0.01)
    world.sink.append = never  # type: ignore[method-assign]

    assert stored(await world.replicas[0].send(single())) == ["outcome-unknown"]
