"""The topics on a real cluster: made once, found as they stand, refused when unusable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiokafka import errors as kafka_errors
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from local.ports import free_port
from streaming_runtime.core.errors import BrokerUnavailable, ConfigurationInvalid
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.topics import _wanted, ensure_topics
from tests.kafka.proxy import Proxy


@asynccontextmanager
async def admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    client = clients.admin(settings)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def make(settings: KafkaSettings, name: str, partitions: int, **configs: str) -> None:
    async with admin(settings) as client:
        dotted = {key.replace("_", "."): value for key, value in configs.items()}
        answer = await client.create_topics([NewTopic(name, partitions, 1, topic_configs=dotted)])
        assert [error[1] for error in answer.topic_errors] == [0]


async def configs_of(settings: KafkaSettings, topic: str) -> dict[str, str]:
    async with admin(settings) as client:
        question = ConfigResource(ConfigResourceType.TOPIC, topic)
        (answer,) = await client.describe_configs([question])
        return {entry[0]: entry[1] for entry in answer.resources[0][-1]}


async def counts(settings: KafkaSettings) -> dict[str, int]:
    async with admin(settings) as client:
        described = {t["topic"]: len(t["partitions"]) for t in await client.describe_topics()}
    prefix = settings.topic_prefix
    return {
        name.removeprefix(prefix): count
        for name, count in described.items()
        if name.startswith(prefix)
    }


async def test_what_is_missing_is_made_and_is_new_only_the_first_time(
    unmade: KafkaSettings,
) -> None:
    first = await ensure_topics(unmade)
    second = await ensure_topics(unmade)

    assert (first, second) == ((3, True), (3, False))
    assert await counts(unmade) == {"input": 3, "results": 3, "dead-letter": 1, "streams": 1}


async def test_topics_keep_what_they_promise(settings: KafkaSettings) -> None:
    results, streams = [
        await configs_of(settings, topic)
        for topic in (settings.results_topic, settings.streams_topic)
    ]

    assert results["cleanup.policy"] == "delete"
    assert results["retention.ms"] == str(7 * 24 * 3600 * 1000)
    assert results["max.message.bytes"] == str(2 << 20)
    assert results["unclean.leader.election.enable"] == "false"
    assert streams["cleanup.policy"] == "compact"
    assert streams["segment.bytes"] == str(16 << 20)


@pytest.mark.parametrize(
    ("brokers", "replicas", "in_sync"), [(1, 1, "1"), (2, 2, "1"), (3, 3, "2")]
)
def test_as_many_replicas_as_brokers_up_to_three(
    brokers: int, replicas: int, in_sync: str, unmade: KafkaSettings
) -> None:
    topics = _wanted(unmade, 12, brokers)

    assert {topic.replication_factor for topic in topics} == {replicas}
    assert {topic.topic_configs["min.insync.replicas"] for topic in topics} == {in_sync}


async def test_of_processes_that_start_at_once_one_makes_the_topics(
    unmade: KafkaSettings,
) -> None:
    topics = await asyncio.gather(*(ensure_topics(unmade) for _ in range(4)))

    assert {each.partitions for each in topics} == {3}
    assert sum(each.is_new for each in topics) == 1


async def test_processes_that_ask_for_other_counts_agree_on_what_was_made(
    unmade: KafkaSettings,
) -> None:
    asked = [replace(unmade, partitions=count) for count in (2, 3, 4)]

    topics = await asyncio.gather(*map(ensure_topics, asked))

    standing = await counts(unmade)
    assert {each.partitions for each in topics} == {standing["input"]} == {standing["results"]}


async def test_a_standing_topic_decides_the_count_of_its_partner(unmade: KafkaSettings) -> None:
    await make(unmade, unmade.results_topic, 5)

    topics = await ensure_topics(unmade)

    assert topics == (5, True)
    assert (await counts(unmade))["input"] == 5


async def test_a_pair_with_different_counts_is_refused_in_words(unmade: KafkaSettings) -> None:
    await make(unmade, unmade.results_topic, 5)
    await make(unmade, unmade.input_topic, 3)

    with pytest.raises(ConfigurationInvalid, match="different partition counts"):
        await ensure_topics(unmade)


async def test_a_registry_of_many_partitions_is_refused_in_words(unmade: KafkaSettings) -> None:
    await make(unmade, unmade.streams_topic, 2, cleanup_policy="compact")

    with pytest.raises(ConfigurationInvalid, match="must have one partition"):
        await ensure_topics(unmade)


async def test_a_registry_that_would_forget_is_refused_in_words(unmade: KafkaSettings) -> None:
    await make(unmade, unmade.streams_topic, 1)

    with pytest.raises(ConfigurationInvalid, match=r"cleanup\.policy=delete"):
        await ensure_topics(unmade)


async def test_topics_that_were_deleted_are_made_anew(settings: KafkaSettings) -> None:
    async with admin(settings) as client:
        await client.delete_topics([settings.results_topic])
    async with asyncio.timeout(10):
        while "results" in await counts(settings):
            await asyncio.sleep(0.01)

    assert await ensure_topics(settings) == (3, True)


async def test_a_name_that_kafka_refuses_is_no_matter_of_waiting(unmade: KafkaSettings) -> None:
    clashing = replace(unmade, topic_prefix=unmade.topic_prefix.replace(".", "_"))
    await ensure_topics(unmade)

    with pytest.raises(ConfigurationInvalid, match="KAFKA_TOPIC_PREFIX"):
        async with asyncio.timeout(10):
            await ensure_topics(clashing)


async def test_a_topic_that_may_not_be_made_says_whose_permission_is_missing(
    unmade: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forbidden:
        topic_errors = (
            (unmade.input_topic, kafka_errors.TopicAuthorizationFailedError.errno, None),
        )

    async def forbidden(*_: object) -> type[Forbidden]:
        return Forbidden

    # The embedded broker has no permissions to withhold, so its answer is put in its mouth.
    monkeypatch.setattr(AIOKafkaAdminClient, "create_topics", forbidden)

    with pytest.raises(ConfigurationInvalid, match="may not be created"):
        await ensure_topics(unmade)


async def test_an_answer_lost_while_creating_counts_as_new(
    unmade: KafkaSettings, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = AIOKafkaAdminClient.create_topics

    async def loses_the_answer(client: AIOKafkaAdminClient, topics: list[NewTopic]) -> object:
        proxy.switch("deaf")
        try:
            return await create(client, topics)
        finally:
            proxy.switch("pass")

    monkeypatch.setattr(AIOKafkaAdminClient, "create_topics", loses_the_answer)

    assert await ensure_topics(replace(unmade, broker=proxy.bootstrap)) == (3, True)


async def test_a_cluster_of_which_not_all_are_there_is_waited_for(unmade: KafkaSettings) -> None:
    # Two brokers are named, one is there: topics made now would keep one replica for ever.
    two = replace(unmade, broker=f"{unmade.broker},127.0.0.1:{free_port()}")

    with pytest.raises(BrokerUnavailable, match="1 of 2 brokers"):
        await ensure_topics(two, within_seconds=0.5)

    assert await counts(unmade) == {}


async def test_topics_that_stand_need_not_all_brokers(settings: KafkaSettings) -> None:
    two = replace(settings, broker=f"{settings.broker},127.0.0.1:{free_port()}")

    assert await ensure_topics(two) == (3, False)


async def test_a_cluster_that_is_not_there_is_waited_for_and_named() -> None:
    nowhere = KafkaSettings(f"127.0.0.1:{free_port()}", "plaintext", "t.", 3)
    started = time.monotonic()

    with pytest.raises(BrokerUnavailable, match="KAFKA_BROKER"):
        await ensure_topics(nowhere, within_seconds=1)

    assert time.monotonic() - started < 3


async def test_a_cluster_that_comes_while_we_wait_is_found(
    unmade: KafkaSettings, proxy: Proxy
) -> None:
    await proxy.refuse()
    waiting = asyncio.ensure_future(ensure_topics(replace(unmade, broker=proxy.bootstrap), 10))
    await asyncio.sleep(0.3)
    await proxy.open()

    assert await waiting == (3, True)
