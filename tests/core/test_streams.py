import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming_runtime.core.errors import (
    BrokerUnavailable,
    ConfigurationInvalid,
    InvalidBody,
    InvalidParameter,
    OutcomeUnknown,
    UnknownStream,
)
from streaming_runtime.core.model import Processor, is_stream_id
from streaming_runtime.core.streams import (
    END_GRACE_SECONDS,
    StartRequest,
    Streams,
    check_default,
)
from tests.core.memory import (
    OTHER_ID,
    PARTITION,
    STREAM_ID,
    Catalog,
    MemoryLog,
    MemoryRegistry,
    MemorySink,
    a_stream,
)


class World:
    """Replicas over one registry, one input and one log; time stands still but for sleeps."""

    def __init__(self) -> None:
        self.registry = MemoryRegistry()
        self.sink = MemorySink()
        self.log = MemoryLog()
        self.now_ms = 50_000
        self.slept: list[float] = []
        self.streams = self.replica()

    def replica(self, sleep: Callable[[float], Awaitable[None]] | None = None) -> Streams:
        return Streams(
            self.registry,
            self.sink,
            self.log,
            Catalog(),
            "identity",
            lambda: self.now_ms,
            sleep or self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_ms += int(seconds * 1000)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_started_stream_is_registered_with_where_it_begins(world: World) -> None:
    world.log.write(0, OTHER_ID)
    world.log.write(1, OTHER_ID)

    stream = await world.streams.start("acme", StartRequest(label="mine", ttl_seconds=60))

    assert is_stream_id(stream.stream_id)
    assert world.registry.streams == {stream.stream_id: stream}
    assert (stream.tenant, stream.processor) == ("acme", Processor("identity"))
    assert (stream.incarnation, stream.partition, stream.first_offset) == ("incarn01", PARTITION, 2)
    assert (stream.created_at, stream.label, stream.ttl_seconds) == (50_000, "mine", 60)
    assert (stream.ended_at, stream.end_source) == (None, None)


async def test_no_two_streams_are_the_same(world: World) -> None:
    started = [await world.streams.start("acme", StartRequest()) for _ in range(50)]

    assert len({stream.stream_id for stream in started}) == 50


@pytest.mark.parametrize(
    ("asked", "processor"),
    [
        (None, Processor("identity")),
        ("identity", Processor("identity")),
        ({"name": "identity"}, Processor("identity")),
        ({"name": "jmespath", "expression": "a"}, Processor("jmespath", {"expression": "a"})),
    ],
)
async def test_the_processor_is_the_one_asked_for(
    world: World, asked: str | dict[str, object] | None, processor: Processor
) -> None:
    stream = await world.streams.start("acme", StartRequest(asked))

    assert stream.processor == processor


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "unknown",
        "jmespath",
        {},
        {"name": None},
        {"name": 7},
        {"expression": "a"},
        {"name": "identity", "x": 1},
        {"name": "unknown"},
    ],
)
async def test_a_processor_that_cannot_be_is_refused_and_nothing_registered(
    world: World, asked: str | dict[str, object]
) -> None:
    with pytest.raises(InvalidBody, match="processor"):
        await world.streams.start("acme", StartRequest(asked))

    assert world.registry.writes == []


async def test_the_request_stays_what_it_was(world: World) -> None:
    asked = {"name": "jmespath", "expression": "a"}

    await world.streams.start("acme", StartRequest(asked))

    assert asked == {"name": "jmespath", "expression": "a"}


async def test_a_stream_that_could_not_be_registered_is_not_given_out(world: World) -> None:
    world.registry.failures.append(BrokerUnavailable())

    with pytest.raises(BrokerUnavailable):
        await world.streams.start("acme", StartRequest())


async def test_its_owner_finds_a_stream(world: World) -> None:
    world.registry.streams[STREAM_ID] = a_stream()

    assert await world.streams.owned("acme", STREAM_ID) == a_stream()


@pytest.mark.parametrize(
    ("tenant", "stream_id"),
    [("other", STREAM_ID), ("acme", OTHER_ID), ("acme", "../" + STREAM_ID), ("acme", "")],
)
async def test_no_stream_and_anothers_stream_are_the_same(
    world: World, tenant: str, stream_id: str
) -> None:
    world.registry.streams[STREAM_ID] = a_stream()

    with pytest.raises(UnknownStream) as caught:
        await world.streams.owned(tenant, stream_id)

    assert str(caught.value) == UnknownStream.title


async def test_what_is_no_stream_id_is_never_looked_up(world: World) -> None:
    world.registry.streams["x"] = a_stream(stream_id="x")

    with pytest.raises(UnknownStream):
        await world.streams.owned("acme", "x")


async def test_an_end_is_registered_first_and_its_record_comes_after_a_grace(world: World) -> None:
    stream = await world.streams.start("acme", StartRequest())

    await world.streams.end(stream)

    (record,) = world.sink.records
    begun, done = world.registry.writes[1:]
    assert (record.kind, record.value) == ("end", b"null")
    assert world.slept == [END_GRACE_SECONDS]
    assert (begun.ended_at, begun.end_source) == (50_000, None)
    assert (done.ended_at, done.end_source) == (50_000, 0)
    assert record.sent_at == world.now_ms


async def test_ending_again_changes_nothing(world: World) -> None:
    stream = await world.streams.start("acme", StartRequest())
    await world.streams.end(stream)
    ended = world.registry.streams[stream.stream_id]

    await world.streams.end(ended)
    await world.streams.end(stream)  # what a request that began before the end still holds

    assert len(world.sink.records) == 1
    assert len(world.slept) == 1
    assert world.registry.streams[stream.stream_id] == ended


@pytest.mark.parametrize("failure", [BrokerUnavailable(), OutcomeUnknown()])
async def test_an_interrupted_end_is_completed_by_the_next(
    world: World, failure: Exception
) -> None:
    stream = await world.streams.start("acme", StartRequest())
    world.sink.failures.append(failure)
    with pytest.raises(type(failure)):
        await world.streams.end(stream)
    half_ended = world.registry.streams[stream.stream_id]
    world.now_ms += 10_000

    await world.replica().end(half_ended)

    ended = world.registry.streams[stream.stream_id]
    assert half_ended.ended_at == ended.ended_at == 50_000
    assert ended.end_source == 0


async def test_an_end_whose_registration_failed_was_none(world: World) -> None:
    stream = await world.streams.start("acme", StartRequest())
    world.registry.failures.append(BrokerUnavailable())

    with pytest.raises(BrokerUnavailable):
        await world.streams.end(stream)

    assert world.registry.streams[stream.stream_id].ended_by(10**15) is None
    assert world.sink.records == []


async def test_an_end_that_could_not_be_noted_is_noted_by_the_next(world: World) -> None:
    stream = await world.streams.start("acme", StartRequest())

    async def fails_later(seconds: float) -> None:
        world.registry.failures.append(BrokerUnavailable())

    with pytest.raises(BrokerUnavailable):
        await world.replica(fails_later).end(stream)
    await world.streams.end(world.registry.streams[stream.stream_id])

    # Readers stop at the first of the two end records; the second is behind it.
    assert [record.kind for record in world.sink.records] == ["end", "end"]
    assert world.registry.streams[stream.stream_id].end_source == 1


async def test_a_stream_that_expired_ended_when_its_time_was_over(world: World) -> None:
    stream = await world.streams.start("acme", StartRequest(ttl_seconds=5))
    world.now_ms += 60_000

    await world.streams.end(stream)

    assert world.registry.streams[stream.stream_id].ended_at == 55_000


async def test_a_replica_that_comes_second_leaves_the_end_to_the_first(world: World) -> None:
    stream = await world.streams.start("acme", StartRequest())

    async def first_is_done(seconds: float) -> None:
        await world.registry.put(stream.ended(50_000, end_source=3))

    await world.replica(first_is_done).end(stream)

    assert world.sink.records == []
    assert world.registry.streams[stream.stream_id].end_source == 3


async def test_replicas_that_end_a_stream_at_once_all_leave_it_ended(world: World) -> None:
    stream = await world.streams.start("acme", StartRequest())
    together = asyncio.Barrier(3)

    async def sleep(seconds: float) -> None:
        await together.wait()

    await asyncio.gather(*(world.replica(sleep).end(stream) for _ in range(3)))

    ended = world.registry.streams[stream.stream_id]
    assert ended.ended_at == 50_000
    # Readers stop at the first of several, so what comes behind it must be refused.
    assert {record.kind for record in world.sink.records} == {"end"}
    assert ended.end_source == 0


async def _listed(streams: Streams, limit: int) -> list[list[str]]:
    pages, after = [], None
    while True:
        found, after = await streams.page("acme", after, limit)
        pages.append([stream.stream_id for stream in found])
        if after is None:
            return pages


async def test_all_streams_of_a_tenant_are_listed_page_by_page(world: World) -> None:
    for number in range(7):
        stream = a_stream(stream_id=f"{number}".rjust(22, "A"), created_at=1_000 - number // 2)
        await world.registry.put(stream)
    await world.registry.put(a_stream(stream_id=OTHER_ID, tenant="other"))

    pages = await _listed(world.streams, 3)

    assert ["".join(one[-1] for one in page) for page in pages] == ["645", "230", "1"]


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_the_last_page_has_no_token(world: World, count: int) -> None:
    for number in range(count):
        await world.registry.put(a_stream(stream_id=f"{number}".rjust(22, "A")))

    found, after = await world.streams.page("acme", None, 3)

    assert (len(found), after) == (count, None)


async def test_a_stream_started_meanwhile_does_not_shift_the_pages(world: World) -> None:
    for number in range(4):
        stream = a_stream(stream_id=f"{number}".rjust(22, "A"), created_at=number)
        await world.registry.put(stream)
    _, after = await world.streams.page("acme", None, 2)
    await world.registry.put(a_stream(stream_id=OTHER_ID, created_at=0))

    found, _ = await world.streams.page("acme", after, 2)

    assert [stream.created_at for stream in found] == [2, 3]


BAD_TOKENS = ["", "x", "=", "AAAA", "é", "MS4y", "A" * 100_000, "\0", "MTIzLg", "2aMu" + "QUFB" * 8]


@pytest.mark.parametrize("after", BAD_TOKENS)
async def test_a_token_of_ones_own_making_is_refused(world: World, after: str) -> None:
    with pytest.raises(InvalidParameter, match="after"):
        await world.streams.page("acme", after, 10)


@given(st.text())
async def test_any_text_as_a_token_is_read_or_refused(text: str) -> None:
    try:
        found, _ = await World().streams.page("acme", text, 10)
    except InvalidParameter:
        return
    assert found == []


def test_a_default_processor_that_cannot_work_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigurationInvalid, match=r"DEFAULT_PROCESSOR \(nope\)"):
        check_default(Catalog(), "nope")
