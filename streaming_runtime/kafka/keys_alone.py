"""The keys of a deployment for a command, which has nothing else open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streaming_runtime.core.errors import ConfigurationInvalid, translated
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.failures import READ_FAILURES
from streaming_runtime.kafka.incarnations import registry_alone
from streaming_runtime.kafka.internals import close_admin, describe, start
from streaming_runtime.kafka.issued_keys import KafkaKeys


@asynccontextmanager
async def keys_alone(settings: KafkaSettings) -> AsyncIterator[KafkaKeys]:
    """Give the keys in the topic of streams, read to its end.

    Raises:  BrokerUnavailable; ConfigurationInvalid if there is no such topic.
    """
    with translated(READ_FAILURES):
        await _require_topic(settings)
    async with registry_alone(settings) as registry:
        yield KafkaKeys(registry)


async def _require_topic(settings: KafkaSettings) -> None:
    """Refuse a broker that no server has used: the command would wait for the topic in vain."""
    admin, topic = clients.admin(settings), settings.streams_topic
    try:
        await start(admin)
        cluster = await describe(admin, [topic])
    finally:
        await close_admin(admin)
    if any(found["topic"] == topic and not found["error_code"] for found in cluster["topics"]):
        return
    raise ConfigurationInvalid(
        f"There is no topic {topic} on {settings.broker}: a server makes it when it starts. Start"
        f" one first, or say its KAFKA_TOPIC_PREFIX (here {settings.topic_prefix})"
    )
