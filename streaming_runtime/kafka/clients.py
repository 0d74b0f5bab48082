"""Every aiokafka client of ours, with each setting written down: none is left to a default."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.security import secured

SEND_SECONDS = 3.0
START_SECONDS = 10.0
STOP_SECONDS = 2.0
CALL_SECONDS = 3.0

# A batch for each partition: a batch of the contract (1 MiB of records) must fit one request.
MAX_BATCH_BYTES = 1 << 20
# The largest record (256 KiB and its headers) and the largest batch; the topic allows as much.
MAX_REQUEST_BYTES = 2 << 20
# Below the 350 s after which load balancers forget an idle connection without a word.
IDLE_MS = 240_000
METADATA_MAX_AGE_MS = 60_000
RETRY_BACKOFF_MS = 100
# Requests of one connection are answered in order, so a partition that joins the shared consumer
# waits for the long poll before it: short polls keep that wait below one frame of an eye.
LIVE_WAIT_MS = 40
REPLAY_WAIT_MS = 100
LIVE_PARTITION_BYTES = 1 << 20
REPLAY_PARTITION_BYTES = 4 << 20


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Return what every client is told of the cluster."""
    return {
        "bootstrap_servers": settings.broker,
        **secured(settings),
        "client_id": "millrace",
        "request_timeout_ms": int(CALL_SECONDS * 1000),
        "retry_backoff_ms": RETRY_BACKOFF_MS,
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
        "connections_max_idle_ms": IDLE_MS,
    }


def producer(settings: KafkaSettings) -> AIOKafkaProducer:
    """Return an idempotent producer, not started.

    Units:   no linger: batches are formed by us from what one turn of the loop brings.
    Source:  facts of aiokafka 0.14; its defaults are acks=1, 16 KiB batches and 40 s.
    """
    return AIOKafkaProducer(
        **connection(settings),
        acks="all",
        enable_idempotence=True,
        transactional_id=None,
        linger_ms=0,
        max_batch_size=MAX_BATCH_BYTES,
        max_request_size=MAX_REQUEST_BYTES,
        compression_type=None,
    )


def consumer(settings: KafkaSettings, *, wait_ms: int, partition_bytes: int) -> AIOKafkaConsumer:
    """Return a consumer without a group, not started; assign and seek are the caller's.

    ``auto_offset_reset`` is none, so a position that is gone raises instead of jumping silently.
    """
    return AIOKafkaConsumer(
        **connection(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        fetch_max_wait_ms=wait_ms,
        fetch_min_bytes=1,
        fetch_max_bytes=32 << 20,
        max_partition_fetch_bytes=partition_bytes,
        max_poll_records=None,
        check_crcs=True,
    )


def admin(settings: KafkaSettings) -> AIOKafkaAdminClient:
    """Return an admin client, not started."""
    return AIOKafkaAdminClient(**connection(settings))
