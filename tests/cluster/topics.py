"""What a cluster says of topics: where they are, how many replicas a record needs."""

from __future__ import annotations

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.internals import close_admin, start

NAME = "min.insync.replicas"


async def minimum_in_sync(bootstrap: str, topics: list[str]) -> dict[str, str]:
    """Return of how many replicas each topic needs a record before it counts as stored."""
    admin = clients.admin(KafkaSettings(bootstrap, "plaintext", "any.", 1))
    await start(admin)
    try:
        asked = [ConfigResource(ConfigResourceType.TOPIC, topic, {NAME: None}) for topic in topics]
        answers = await admin.describe_configs(asked)
        return {
            topic: {entry[0]: str(entry[1]) for entry in entries}[NAME]
            for answer in answers
            for _, _, _, topic, entries in answer.resources
        }
    finally:
        await close_admin(admin)


async def ask_for(bootstrap: str, topic: str, replicas: int) -> None:
    """Have a topic need so many replicas of a record."""
    admin = clients.admin(KafkaSettings(bootstrap, "plaintext", "any.", 1))
    await start(admin)
    try:
        wanted = {NAME: str(replicas)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, wanted)])
    finally:
        await close_admin(admin)
