"""Every setting of aiokafka that matters, as aiokafka holds it: none is left to a default."""

from __future__ import annotations

from typing import Any

import pytest

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.internals import ProducerInternals, stop_consumer

SETTINGS = KafkaSettings("127.0.0.1:9092,127.0.0.1:9093", "plaintext", "t.", 3)


def connection_of(client: Any) -> dict[str, Any]:
    return {
        "bootstrap": client._bootstrap_servers,
        "security": client._security_protocol,
        "request_timeout_ms": client._request_timeout_ms,
        "retry_backoff": client._retry_backoff,
        "metadata_max_age_ms": client._metadata_max_age_ms,
        "connections_max_idle_ms": client._connections_max_idle_ms,
    }


CONNECTION = {
    "bootstrap": "127.0.0.1:9092,127.0.0.1:9093",
    "security": "PLAINTEXT",
    "request_timeout_ms": 3_000,
    "retry_backoff": 0.1,
    "metadata_max_age_ms": 60_000,
    "connections_max_idle_ms": 240_000,
}


async def test_the_producer_loses_nothing_repeats_nothing_and_waits_for_nobody() -> None:
    producer = clients.producer(SETTINGS)
    accumulator = producer._message_accumulator
    await ProducerInternals(producer).hard_close()

    assert connection_of(producer.client) == CONNECTION
    assert producer._sender._acks == -1  # all
    assert producer._txn_manager is not None  # idempotent
    assert producer._txn_manager.transactional_id is None
    assert accumulator._linger_time == 0
    assert accumulator._batch_size == 1 << 20
    assert accumulator._compression_type == 0
    assert producer._max_request_size == 2 << 20


@pytest.mark.parametrize(
    ("wait_ms", "partition_bytes"),
    [
        (clients.LIVE_WAIT_MS, clients.LIVE_PARTITION_BYTES),
        (clients.REPLAY_WAIT_MS, clients.REPLAY_PARTITION_BYTES),
    ],
)
async def test_a_consumer_belongs_to_no_group_and_never_jumps(
    wait_ms: int, partition_bytes: int
) -> None:
    consumer = clients.consumer(SETTINGS, wait_ms=wait_ms, partition_bytes=partition_bytes)
    await stop_consumer(consumer)

    assert connection_of(consumer._client) == CONNECTION
    assert consumer._group_id is None
    assert consumer._enable_auto_commit is False
    assert consumer._auto_offset_reset == "none"
    assert consumer._isolation_level == "read_committed"
    assert consumer._fetch_max_wait_ms == wait_ms
    assert consumer._fetch_min_bytes == 1
    assert consumer._fetch_max_bytes == 32 << 20
    assert consumer._max_partition_fetch_bytes == partition_bytes
    assert consumer._max_poll_records is None
    assert consumer._check_crcs is True


async def test_the_admin_client_has_the_same_deadlines() -> None:
    admin = clients.admin(SETTINGS)

    assert connection_of(admin._client) == CONNECTION
    await admin.close()


def test_a_batch_fits_a_topic_with_kafkas_own_limit() -> None:
    # A topic that somebody else made has this limit, and a refused batch costs the producer.
    assert clients.MAX_BATCH_BYTES <= 1_048_588
