"""The topics on a real cluster: made once, found as they stand, refused when unusable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import errors as kafka_errors
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from local.ports import free_port
from streaming_runtime.core.entries import INCARNATION_PREFIX, read_announcement
from streaming_runtime.core.errors import BrokerUnavailable, ConfigurationInvalid
from streaming_runtime.core.model import Incarnation
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.incarnations import registry_alone
from streaming_runtime.kafka.registry import KafkaRegistry
from streaming_runtime.kafka.topics import _wanted, ensure_topics
from tests.kafka.parts import everything_in
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


async def incarnation_of(settings: KafkaSettings) -> Incarnation | None:
    async with registry_alone(settings) as registry:
        return registry.incarnation


async def delete(settings: KafkaSettings, *topics: str) -> None:
    async with admin(settings) as client:
        await client.delete_topics(list(topics))
    names = {topic.removeprefix(settings.topic_prefix) for topic in topics}
    async with asyncio.timeout(10):
        while names & (await counts(settings)).keys():
            await asyncio.sleep(0.01)


async def announcements(settings: KafkaSettings) -> list[tuple[Incarnation, str | None]]:
    records = await everything_in(settings, settings.streams_topic, 0)
    return [read_announcement(r.value) for r in records if r.key.startswith(INCARNATION_PREFIX)]


async def test_what_is_missing_is_made_and_announced_once(unmade: KafkaSettings) -> None:
    first = await ensure_topics(unmade)
    announced = await incarnation_of(unmade)
    second = await ensure_topics(unmade)

    assert (first, second) == (3, 3)
    assert announced is not None
    assert await incarnation_of(unmade) == announced
    assert await counts(unmade) == {
        "input": 3,
        "results": 3,
        "dead-letter": 1,
        "idempotency": 1,
        "limits": 1,
        "streams": 1,
    }


async def test_topics_keep_what_they_promise(settings: KafkaSettings) -> None:
    results, streams, keys, limits = [
        await configs_of(settings, topic)
        for topic in (
            settings.results_topic,
            settings.streams_topic,
            settings.idempotency_topic,
            settings.limits_topic,
        )
    ]

    assert results["cleanup.policy"] == "delete"
    assert results["retention.ms"] == str(7 * 24 * 3600 * 1000)
    assert results["max.message.bytes"] == str(2 << 20)
    assert results["unclean.leader.election.enable"] == "false"
    assert streams["cleanup.policy"] == "compact"
    assert streams["segment.bytes"] == str(16 << 20)
    assert keys["cleanup.policy"] == "delete"
    assert int(keys["retention.ms"]) > 24 * 3600 * 1000
    assert keys["message.timestamp.type"] == "LogAppendTime"
    assert (limits["cleanup.policy"], limits["retention.ms"]) == ("delete", "600000")
    assert limits["message.timestamp.type"] == "LogAppendTime"


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
    counted = await asyncio.gather(*(ensure_topics(unmade) for _ in range(4)))

    announced = await announcements(unmade)
    assert counted == [3] * 4
    assert {replaces for _, replaces in announced} == {None}
    assert await incarnation_of(unmade) == announced[0][0]


async def test_processes_that_ask_for_other_counts_agree_on_what_was_made(
    unmade: KafkaSettings,
) -> None:
    asked = [replace(unmade, partitions=count) for count in (2, 3, 4)]

    counted = await asyncio.gather(*map(ensure_topics, asked))

    standing = await counts(unmade)
    assert set(counted) == {standing["input"]} == {standing["results"]}


async def test_a_standing_topic_decides_the_count_of_its_partner(unmade: KafkaSettings) -> None:
    await make(unmade, unmade.results_topic, 5)

    counted = await ensure_topics(unmade)

    assert counted == 5
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


@pytest.mark.parametrize("deleted", [["input"], ["results"], ["input", "results"]])
async def test_topics_that_were_deleted_are_made_anew_as_another_incarnation(
    settings: KafkaSettings, deleted: list[str]
) -> None:
    before = await incarnation_of(settings)
    await delete(settings, *(f"{settings.topic_prefix}{name}" for name in deleted))

    assert await ensure_topics(settings) == 3
    assert before != await incarnation_of(settings) is not None


class Died(BaseException):
    """The process is gone: nothing of it runs any more."""


@pytest.mark.parametrize("step", ["announce", "announced", "create", "created"])
async def test_a_process_that_dies_while_making_topics_anew_leaves_no_old_incarnation(
    settings: KafkaSettings, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await incarnation_of(settings)
    await delete(settings, settings.input_topic, settings.results_topic)
    announce, create = KafkaRegistry.announce, AIOKafkaAdminClient.create_topics

    async def announcing(registry: KafkaRegistry, *what: Any) -> Any:
        if step == "announce":
            raise Died
        done = await announce(registry, *what)
        if step == "announced":
            raise Died
        return done

    async def creating(client: AIOKafkaAdminClient, *what: Any) -> Any:
        if step == "create":
            raise Died
        done = await create(client, *what)
        if step == "created":
            raise Died
        return done

    monkeypatch.setattr(KafkaRegistry, "announce", announcing)
    monkeypatch.setattr(AIOKafkaAdminClient, "create_topics", creating)
    with pytest.raises(Died):
        await ensure_topics(settings)
    monkeypatch.undo()
    await ensure_topics(settings)

    assert before != await incarnation_of(settings) is not None
    assert (await counts(settings)).keys() >= {"input", "results"}


async def test_who_comes_while_another_makes_topics_anew_works_with_the_same_incarnation(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await delete(settings, settings.input_topic, settings.results_topic)
    has_announced, may_create = asyncio.Event(), asyncio.Event()
    create = AIOKafkaAdminClient.create_topics

    async def creating(client: AIOKafkaAdminClient, *what: Any) -> Any:
        has_announced.set()
        await may_create.wait()
        return await create(client, *what)

    monkeypatch.setattr(AIOKafkaAdminClient, "create_topics", creating)
    one = asyncio.ensure_future(ensure_topics(settings))
    await has_announced.wait()
    announced = await incarnation_of(settings)
    other = asyncio.ensure_future(ensure_topics(settings))
    await asyncio.sleep(0.3)
    may_create.set()
    await asyncio.gather(one, other)

    assert await incarnation_of(settings) == announced


async def test_without_the_topic_of_keys_all_but_keyed_sends_goes_on(
    unmade: KafkaSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    create = AIOKafkaAdminClient.create_topics

    async def all_but_one(client: AIOKafkaAdminClient, topics: list[NewTopic]) -> Any:
        allowed = [topic for topic in topics if topic.name != unmade.idempotency_topic]
        answer = await create(client, allowed) if allowed else SimpleNamespace(topic_errors=[])
        if len(allowed) < len(topics):
            forbidden = kafka_errors.TopicAuthorizationFailedError.errno
            answer.topic_errors.append((unmade.idempotency_topic, forbidden, None))
        return answer

    # The embedded broker has no permissions to withhold, so its answer is put in its mouth.
    monkeypatch.setattr(AIOKafkaAdminClient, "create_topics", all_but_one)

    assert await ensure_topics(unmade) == 3
    assert "idempotency" not in await counts(unmade)
    assert "sends with an Idempotency-Key will be refused" in caplog.text


async def test_a_deployment_from_before_there_were_keys_gets_their_topic_and_stays_what_it_is(
    settings: KafkaSettings,
) -> None:
    before = await incarnation_of(settings)
    await delete(settings, settings.idempotency_topic)

    await ensure_topics(settings)

    assert "idempotency" in await counts(settings)
    assert await incarnation_of(settings) == before


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


async def test_an_answer_lost_while_creating_is_asked_for_again(
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

    assert await ensure_topics(replace(unmade, broker=proxy.bootstrap)) == 3
    assert await incarnation_of(unmade) is not None


async def test_a_cluster_of_which_not_all_are_there_is_waited_for(unmade: KafkaSettings) -> None:
    # Two brokers are named, one is there: topics made now would keep one replica for ever.
    two = replace(unmade, broker=f"{unmade.broker},127.0.0.1:{free_port()}")

    with pytest.raises(BrokerUnavailable, match="1 of 2 brokers"):
        await ensure_topics(two, within_seconds=0.5)

    assert await counts(unmade) == {}


async def test_topics_that_stand_need_not_all_brokers(settings: KafkaSettings) -> None:
    two = replace(settings, broker=f"{settings.broker},127.0.0.1:{free_port()}")

    assert await ensure_topics(two) == 3


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

    assert await waiting == 3
