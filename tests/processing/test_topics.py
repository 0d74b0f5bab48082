from __future__ import annotations

import secrets
import threading
import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from local.ports import free_port
from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.processing import clients
from streaming_runtime.processing.stopping import Stop
from streaming_runtime.processing.topics import Topics, TopicsMissing, await_topics
from tests.processing.traffic import Traffic


def waiting(settings: KafkaSettings, within_seconds: float, stop: Stop | None = None) -> object:
    return await_topics(clients.admin(settings), settings, stop or Stop(), within_seconds)


async def test_it_knows_the_partitions_and_the_largest_batches(traffic: Traffic) -> None:
    found = waiting(traffic.settings, 10)

    assert isinstance(found, Topics)
    assert found == Topics(3, 2 << 20, 2 << 20, found.state_id)


def test_topics_that_do_not_come_are_named_with_who_makes_them(broker: str) -> None:
    settings = KafkaSettings(broker, "plaintext", f"p{secrets.token_hex(4)}.", 1)

    with pytest.raises(TopicsMissing) as caught:
        waiting(settings, 0.5)

    for part in (settings.input_topic, settings.results_topic, settings.dead_letter_topic, "API"):
        assert part in str(caught.value)


def test_a_broker_that_does_not_answer_is_named_with_its_variable() -> None:
    settings = KafkaSettings(f"127.0.0.1:{free_port()}", "plaintext", "t.", 1)

    with pytest.raises(TopicsMissing, match=rf"{settings.broker} \(KAFKA_BROKER\)"):
        waiting(settings, 0.5)


def test_told_to_stop_it_waits_no_longer(broker: str) -> None:
    settings = KafkaSettings(broker, "plaintext", f"p{secrets.token_hex(4)}.", 1)
    stop = Stop()
    teller = threading.Timer(0.3, setattr, (stop, "is_told", True))
    started = time.monotonic()

    teller.start()

    assert waiting(settings, 60, stop) is None
    assert time.monotonic() - started < 20
    teller.join()


async def test_input_and_results_must_agree(broker: str) -> None:
    settings = KafkaSettings(broker, "plaintext", f"p{secrets.token_hex(4)}.", 1)
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    topics = {settings.input_topic: 2, settings.results_topic: 3, settings.dead_letter_topic: 1}
    await admin.create_topics([NewTopic(name, count, 1) for name, count in topics.items()])
    await admin.close()

    with pytest.raises(ConfigurationInvalid, match=r"has 2 partitions and .* 3"):
        waiting(settings, 10)
