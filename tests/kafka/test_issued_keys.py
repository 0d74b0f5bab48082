"""Issued keys among the streams of one topic."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.key_entries import KEY_PREFIX, to_json
from streaming_runtime.core.model import new_stream_id
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.issued_keys import KafkaKeys
from streaming_runtime.kafka.keys_alone import keys_alone
from tests.core.issued import issued
from tests.core.memory import a_stream
from tests.eventually import until
from tests.kafka.parts import everything_in, plain_producer, running_registry


async def test_a_follower_knows_of_a_change_at_once_and_without_asking(
    settings: KafkaSettings,
) -> None:
    _, key = issued()
    revoked = replace(key, revoked_at=1)
    async with running_registry(settings) as server, running_registry(settings) as command:
        known, changing = KafkaKeys(server), KafkaKeys(command)
        assert await known.find(key.key_id) is None

        await changing.put(key)
        await until(lambda: known.find(key.key_id), lambda found: found == key, 5)
        await changing.put(revoked)
        await until(lambda: known.find(key.key_id), lambda found: found == revoked, 5)


async def test_a_client_that_is_faster_than_the_follower_finds_its_key(
    settings: KafkaSettings,
) -> None:
    _, key = issued()
    looks: list[None] = []
    async with running_registry(settings) as server, keys_alone(settings) as command:
        known, catch_up = KafkaKeys(server), server.catch_up

        async def slowly() -> None:
            looks.append(None)
            await command.put(key)
            await catch_up()

        server.catch_up = slowly  # type: ignore[method-assign]
        found = await asyncio.gather(*(known.find(key.key_id) for _ in range(5)))

    assert found == [key] * 5
    assert len(looks) == 1


async def test_guesses_ask_kafka_once_in_a_while(settings: KafkaSettings) -> None:
    now, looks = [0.0], list[float]()
    async with running_registry(settings) as server:
        catch_up = server.catch_up

        async def counted() -> None:
            looks.append(now[0])
            await catch_up()

        server.catch_up = counted  # type: ignore[method-assign]
        known = KafkaKeys(server, lambda: now[0])
        for moment in (0.0, 0.1, 0.9, 1.0, 1.1):
            now[0] = moment
            assert await known.find("A" * 12) is None

    assert looks == [0.0, 1.0]


async def test_keys_are_no_streams_and_streams_no_keys(settings: KafkaSettings) -> None:
    _, key = issued()
    stream = a_stream(stream_id=new_stream_id())
    async with running_registry(settings) as registry:
        await KafkaKeys(registry).put(key)
        await registry.put(stream)

        assert await registry.page(key.tenant, None, 10) == [stream]
        assert await registry.get(key.key_id) is None
        assert await KafkaKeys(registry).all() == [key]


async def test_what_is_no_entry_is_passed_over(settings: KafkaSettings) -> None:
    _, key = issued()
    _, other = issued()
    async with plain_producer(settings) as producer:
        for value in (b"{", b"7", to_json(other)):
            await producer.send_and_wait(
                settings.streams_topic, value, KEY_PREFIX + key.key_id.encode()
            )

    async with keys_alone(settings) as keys:
        assert await keys.all() == []
        await keys.put(key)
        assert await keys.all() == [key]


async def test_the_topic_holds_no_secret(settings: KafkaSettings) -> None:
    text, key = issued()
    async with keys_alone(settings) as keys:
        await keys.put(key)
        await keys.put(replace(key, revoked_at=1))

    records = await everything_in(settings, settings.streams_topic, 0)

    ours = [record for record in records if key.key_id.encode() in (record.key or b"")]
    assert len(ours) == 2
    assert not any(text.split("_")[2].encode() in (record.value or b"") for record in records)


async def test_where_no_server_ever_was_the_command_says_so(unmade: KafkaSettings) -> None:
    with pytest.raises(ConfigurationInvalid, match="KAFKA_TOPIC_PREFIX") as refused:
        async with keys_alone(unmade):
            pass

    assert unmade.streams_topic in str(refused.value)
