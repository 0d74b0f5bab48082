"""Topics of each test's own on the shared broker."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.topics import ensure_topics
from tests.kafka.parts import PARTITIONS
from tests.kafka.proxy import Proxy, proxied


@pytest.fixture
def unmade(broker: str) -> KafkaSettings:
    """Give settings whose topics nobody has made."""
    return KafkaSettings(broker, "plaintext", f"t{secrets.token_hex(4)}.", PARTITIONS)


@pytest.fixture
async def settings(unmade: KafkaSettings) -> KafkaSettings:
    """Give settings whose topics stand."""
    await ensure_topics(unmade)
    return unmade


@pytest.fixture
async def proxy(broker: str) -> AsyncIterator[Proxy]:
    async with proxied(broker) as proxy:
        yield proxy


@pytest.fixture
def proxied_settings(settings: KafkaSettings, proxy: Proxy) -> KafkaSettings:
    """Give the same topics, reached through the proxy."""
    return KafkaSettings(proxy.bootstrap, "plaintext", settings.topic_prefix, settings.partitions)
