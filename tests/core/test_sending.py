import pytest

from streaming_runtime.core import sending
from streaming_runtime.core.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    StreamEnded,
    StreamingError,
)
from streaming_runtime.core.model import Receipt, Stream
from streaming_runtime.core.sending import Sending
from tests.core.memory import PARTITION, MemoryRegistry, MemorySink, a_stream


class Clock:
    """Time that passes when somebody sleeps; ``then`` runs after so many sleeps."""

    def __init__(self) -> None:
        self.now_ms = 5_000
        self.slept: list[float] = []
        self.registry = MemoryRegistry()
        self.after: dict[int, Stream] = {}

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if (change := self.after.get(len(self.slept))) is not None:
            await self.registry.put(change)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def sender(clock: Clock, sink: MemorySink) -> Sending:
    clock.registry.streams[a_stream().stream_id] = a_stream()
    return Sending(sink, clock.registry, lambda: clock.now_ms, clock.sleep)


async def test_a_record_is_stored_with_its_stream_time_and_trace(
    sender: Sending, sink: MemorySink
) -> None:
    receipt = await sender.send(a_stream(), b'{"a":1}', traceparent="00-ab-cd-01")

    (record,) = sink.records
    assert receipt == Receipt(PARTITION, 0)
    assert (record.stream, record.value, record.kind) == (a_stream(), b'{"a":1}', "record")
    assert (record.sent_at, record.traceparent) == (5_000, "00-ab-cd-01")


@pytest.mark.parametrize(
    "stream",
    [a_stream(ended_at=4_000), a_stream(ended_at=4_000, end_source=7), a_stream(ttl_seconds=3)],
    ids=["being ended", "ended", "expired"],
)
async def test_an_ended_stream_takes_nothing(
    sender: Sending, sink: MemorySink, stream: Stream
) -> None:
    with pytest.raises(StreamEnded):
        await sender.send(stream, b"1")
    with pytest.raises(StreamEnded):
        sender.refuse_ended(stream)

    assert sink.records == []


async def test_a_stream_that_has_not_expired_yet_takes_records(sender: Sending) -> None:
    stream = a_stream(ttl_seconds=5)

    assert await sender.send(stream, b"1") == Receipt(PARTITION, 0)


@pytest.mark.parametrize("failure", [BrokerUnavailable(), OutcomeUnknown()])
async def test_what_the_sink_says_is_passed_on(
    sender: Sending, sink: MemorySink, failure: StreamingError
) -> None:
    sink.failures.append(failure)

    with pytest.raises(type(failure)):
        await sender.send(a_stream(), b"1")


async def test_a_record_stored_before_the_end_counts(
    sender: Sending, sink: MemorySink, clock: Clock
) -> None:
    sink.before_ack = lambda: clock.registry.streams.update(
        {a_stream().stream_id: a_stream(ended_at=5_000, end_source=1)}
    )

    assert await sender.send(a_stream(), b"1") == Receipt(PARTITION, 0)
    assert clock.slept == []


async def test_a_record_stored_behind_the_end_was_too_late(
    sender: Sending, sink: MemorySink, clock: Clock
) -> None:
    sink.records = [None] * 9  # type: ignore[list-item]
    sink.before_ack = lambda: clock.registry.streams.update(
        {a_stream().stream_id: a_stream(ended_at=5_000, end_source=8)}
    )

    with pytest.raises(StreamEnded):
        await sender.send(a_stream(), b"1")


@pytest.mark.parametrize(("end_source", "is_taken"), [(1, True), (0, False)])
async def test_while_a_stream_is_being_ended_its_end_is_waited_for(
    sender: Sending, sink: MemorySink, clock: Clock, end_source: int, is_taken: bool
) -> None:
    if not is_taken:
        sink.records = [None]  # type: ignore[list-item]
    sink.before_ack = lambda: clock.registry.streams.update(
        {a_stream().stream_id: a_stream(ended_at=5_000)}
    )
    clock.after[3] = a_stream(ended_at=5_000, end_source=end_source)

    if is_taken:
        assert await sender.send(a_stream(), b"1") == Receipt(PARTITION, 0)
    else:
        with pytest.raises(StreamEnded):
            await sender.send(a_stream(), b"1")

    assert clock.slept == [sending.END_POLL_SECONDS] * 3


async def test_an_end_that_never_comes_leaves_the_outcome_unknown(
    sender: Sending, sink: MemorySink, clock: Clock
) -> None:
    sink.before_ack = lambda: clock.registry.streams.update(
        {a_stream().stream_id: a_stream(ended_at=5_000)}
    )

    with pytest.raises(OutcomeUnknown):
        await sender.send(a_stream(), b"1")

    assert sum(clock.slept) == pytest.approx(3.0)


async def test_a_stream_that_the_registry_has_lost_sight_of_is_no_obstacle(
    sender: Sending, clock: Clock
) -> None:
    clock.registry.streams.clear()

    assert await sender.send(a_stream(), b"1") == Receipt(PARTITION, 0)


async def test_of_many_each_has_its_own_outcome(sender: Sending, sink: MemorySink) -> None:
    sink.failures = [BrokerUnavailable()]

    lost, stored = await sender.send_all(a_stream(), [b"1", b"2"], "00-ab-cd-01")

    assert isinstance(lost, BrokerUnavailable)
    assert stored == Receipt(PARTITION, 0)
    assert [(record.value, record.traceparent) for record in sink.records] == [
        (b"2", "00-ab-cd-01")
    ]


async def test_of_many_those_behind_the_end_are_refused(
    sender: Sending, sink: MemorySink, clock: Clock
) -> None:
    clock.registry.streams[a_stream().stream_id] = a_stream(ended_at=5_000, end_source=1)

    outcomes = await sender.send_all(a_stream(), [b"1", b"2", b"3"])

    assert [type(outcome) for outcome in outcomes] == [Receipt, Receipt, StreamEnded]


async def test_many_to_a_stream_that_has_ended_are_not_stored(
    sender: Sending, sink: MemorySink
) -> None:
    outcomes = await sender.send_all(a_stream(ended_at=4_000, end_source=7), [b"1", b"2"])

    assert [type(outcome) for outcome in outcomes] == [StreamEnded, StreamEnded]
    assert sink.records == []
