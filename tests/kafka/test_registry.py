"""The registry on a real compacted topic, as two or more processes have it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from streaming_runtime.core.entries import announcement, from_json, to_json
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.model import Incarnation, Processor, Stream, new_stream_id
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.follower import TopicReplaced
from streaming_runtime.kafka.incarnations import registry_alone
from streaming_runtime.kafka.offsets import Offsets
from streaming_runtime.kafka.registry import CATCH_UP_SECONDS, KafkaRegistry
from streaming_runtime.kafka.topics import ensure_topics
from tests.eventually import eventually
from tests.kafka.parts import (
    asking_offsets,
    everything_in,
    in_background,
    plain_producer,
    reader,
    running_producer,
    running_registry,
)
from tests.kafka.proxy import Proxy


def a_stream(**fields: object) -> Stream:
    stream = Stream(new_stream_id(), "acme", Processor("identity"), "AAAAAAAA", 0, 0, 1_000)
    return replace(stream, **fields)  # type: ignore[arg-type] # the fields are the test's business


async def write(settings: KafkaSettings, *entries: tuple[bytes, bytes | None]) -> None:
    """Write into the topic what somebody else may have written."""
    async with plain_producer(settings) as producer:
        for key, value in entries:
            await producer.send_and_wait(settings.streams_topic, value, key)


async def test_what_one_process_wrote_another_reads(settings: KafkaSettings) -> None:
    stream = a_stream(processor=Processor("jmespath", {"expression": "a"}), label="a label")
    async with running_registry(settings) as one, running_registry(settings) as other:
        await one.put(stream)

        assert await one.get(stream.stream_id) == stream
        assert await other.get(stream.stream_id) == stream
        assert await other.page("acme", None, 10) == [stream]


async def test_a_new_process_has_all_that_was_written_before(settings: KafkaSettings) -> None:
    streams = [a_stream(created_at=number) for number in range(200)]
    async with running_registry(settings) as one:
        await asyncio.gather(*map(one.put, streams))

    async with running_registry(settings) as later:
        assert await later.page("acme", None, 1_000) == streams


async def test_an_end_is_never_lost_whatever_is_written_after_it(settings: KafkaSettings) -> None:
    stream = a_stream()
    async with running_registry(settings) as one, running_registry(settings) as other:
        await one.put(stream)
        assert await other.get(stream.stream_id) == stream
        ended = stream.ended(2_000, 7)
        await one.put(ended)
        await other.put(stream.ended(3_000))

        assert await one.get(stream.stream_id) == ended
        assert await other.get(stream.stream_id) == ended
    # Compaction keeps the last entry only, so that one must hold the end too.
    records = await everything_in(settings, settings.streams_topic, 0)
    assert from_json(records[-1].key, records[-1].value) == ended


async def test_two_processes_that_end_a_stream_at_once_come_to_the_same_end(
    settings: KafkaSettings,
) -> None:
    stream = a_stream()
    async with running_registry(settings) as one, running_registry(settings) as other:
        await one.put(stream)
        await other.catch_up()
        await asyncio.gather(one.put(stream.ended(2_000, 9)), other.put(stream.ended(2_001, 7)))
        await asyncio.gather(one.catch_up(), other.catch_up())

        first_of_both = replace(stream, ended_at=2_000, end_source=7)
        assert await one.get(stream.stream_id) == first_of_both
        assert await other.get(stream.stream_id) == first_of_both
    records = await everything_in(settings, settings.streams_topic, 0)
    assert from_json(records[-1].key, records[-1].value) == first_of_both


async def test_what_is_no_entry_is_passed_over_with_a_word(
    settings: KafkaSettings, caplog: pytest.LogCaptureFixture
) -> None:
    before, after = a_stream(created_at=1), a_stream(created_at=2)
    thief = replace(before, tenant="thief")
    key = before.stream_id.encode()
    async with registry_alone(settings) as registry:
        announced = registry.incarnation
    await write(
        settings,
        (key, to_json(before)),
        (b"x", b"\xff not JSON"),
        (b"\xff\xfe", None),
        (key, b'{"stream_id":7}'),
        (key, to_json(thief)),
        (b"incarnation/x", b"[]"),
        (after.stream_id.encode(), to_json(after)),
    )

    async with running_registry(settings) as registry:
        assert await registry.page("acme", None, 10) == [before, after]
        assert await registry.page("thief", None, 10) == []
        assert registry.incarnation == announced
    assert sum("passed over" in record.message for record in caplog.records) == 4


async def test_a_tombstone_removes_a_stream(settings: KafkaSettings) -> None:
    kept, removed = a_stream(), a_stream(ttl_seconds=1)
    async with running_registry(settings) as registry:
        await registry.put(kept)
        await registry.put(removed)
        await write(settings, (removed.stream_id.encode(), None))
        await registry.catch_up()

        assert await registry.get(removed.stream_id) is None
        assert await registry.page("acme", None, 10) == [kept]
        assert await registry.due(10**15) == []


async def test_a_stream_is_due_until_its_end_is_registered(settings: KafkaSettings) -> None:
    stream = a_stream(ttl_seconds=1)
    async with running_registry(settings) as one, running_registry(settings) as other:
        await one.put(stream)
        await other.catch_up()
        early, due, still_due = [await other.due(at) for at in (1_999, 2_000, 2_000)]
        await one.put(stream.ended(2_000, 7))
        await other.catch_up()

        assert (early, due, still_due) == ([], [stream], [stream])
        assert await other.due(10**15) == []


async def test_of_processes_that_announce_at_once_the_first_in_the_log_counts_for_all(
    settings: KafkaSettings,
) -> None:
    async with AsyncExitStack() as stack:
        registries = [await stack.enter_async_context(running_registry(settings)) for _ in range(3)]
        told = await asyncio.gather(*(each.announce(3, None) for each in registries * 3))
        late = await stack.enter_async_context(running_registry(settings))

        assert len(set(told)) == 1
        assert {each.incarnation for each in (*registries, late)} == set(told)
    records = await everything_in(settings, settings.streams_topic, 0)
    assert len({record.key for record in records}) == len(records) == 1 + 9
    assert records[0].key == b"incarnation/" + told[0].id.encode()


async def test_a_change_of_incarnation_is_seen_by_whoever_works_with_the_old_one(
    settings: KafkaSettings,
) -> None:
    async with running_registry(settings) as one, running_registry(settings) as other:
        old = await one.announce(3, None)
        await other.catch_up()
        waiting = asyncio.ensure_future(other.until_replaced(old))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        new = await one.announce(3, old)

        async with asyncio.timeout(5):
            await waiting
            await other.until_replaced(old)
        assert new != old
        assert other.incarnation == new


async def test_an_announcement_of_something_long_replaced_does_not_count(
    settings: KafkaSettings,
) -> None:
    async with running_registry(settings) as registry:
        first = await registry.announce(3, None)
        second = await registry.announce(3, first)
        await write(settings, announcement(Incarnation("LLLLLLLL", 3), first.id))
        await write(settings, announcement(Incarnation("NNNNNNNN", 3), None))
        await registry.catch_up()

        assert registry.incarnation == second


async def test_a_look_up_for_nothing_is_refused_in_time_while_kafka_does_not_answer(
    proxied_settings: KafkaSettings, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CATCH_UP_SECONDS == 6
    stream = a_stream()
    async with running_registry(proxied_settings) as registry:
        await registry.put(stream)
        monkeypatch.setattr("streaming_runtime.kafka.registry.CATCH_UP_SECONDS", 0.5)
        proxy.switch("hole")

        assert await registry.get(stream.stream_id) == stream
        with pytest.raises(BrokerUnavailable):
            async with asyncio.timeout(2):
                await registry.get(new_stream_id())
        proxy.switch("pass")
        monkeypatch.undo()
        async with asyncio.timeout(6):
            assert await registry.get(new_stream_id()) is None


async def test_following_goes_on_after_the_topic_could_not_be_read(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def fails_first(offsets: Offsets, topic: str, partition: int) -> object:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise BrokerUnavailable
        return await bounds(offsets, topic, partition)

    bounds = Offsets.bounds
    monkeypatch.setattr(Offsets, "bounds", fails_first)
    monkeypatch.setattr("streaming_runtime.kafka.follower.RETRY_SECONDS", 0.01)
    stream = a_stream()

    async with (
        running_producer(settings) as producer,
        asking_offsets(settings) as offsets,
    ):
        registry = KafkaRegistry(
            settings.streams_topic, producer, offsets, lambda: reader(settings)
        )
        async with in_background(registry.follow()):
            await eventually(lambda: asked > 0)
            await registry.put(stream)

            assert await registry.get(stream.stream_id) == stream


async def test_a_process_ends_when_the_topic_under_it_is_another_one(
    unmade: KafkaSettings,
) -> None:
    await ensure_topics(unmade)
    async with running_producer(unmade) as producer, asking_offsets(unmade) as offsets:
        registry = KafkaRegistry(unmade.streams_topic, producer, offsets, lambda: reader(unmade))
        registry._follower.read_to.move(5)  # As if it had read that far of the topic before.

        with pytest.raises(TopicReplaced):
            async with asyncio.timeout(10):
                await registry.follow()
