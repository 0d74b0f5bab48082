"""One cluster for a file of tests, whole at the beginning of each, with topics of its own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.producer import SupervisedProducer
from streaming_runtime.kafka.topics import ensure_topics
from tests.cluster.cluster import RunningCluster, running_cluster
from tests.cluster.sends import Sends, keys_of_partitions
from tests.kafka.parts import running_producer

PARTITIONS = 3


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningCluster]:
    async with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest_asyncio.fixture(loop_scope="module")
async def settings(cluster: RunningCluster) -> KafkaSettings:
    """Give topics of this test's own on a cluster that is whole."""
    await cluster.heal()
    own = KafkaSettings(cluster.bootstrap, "plaintext", f"c{secrets.token_hex(4)}.", PARTITIONS)
    await ensure_topics(own)
    await cluster.healthy()
    return own


@pytest_asyncio.fixture(loop_scope="module")
async def producer(settings: KafkaSettings) -> AsyncIterator[SupervisedProducer]:
    async with running_producer(settings) as producer:
        yield producer


@pytest_asyncio.fixture(loop_scope="module")
async def keys(producer: SupervisedProducer, settings: KafkaSettings) -> list[bytes]:
    """Give a key for each partition."""
    return await keys_of_partitions(producer, settings)


@pytest.fixture
def sends(producer: SupervisedProducer, settings: KafkaSettings) -> Sends:
    return Sends(producer, settings)
