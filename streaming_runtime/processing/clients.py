"""Every librdkafka client of ours, with each setting written down: none is left to a default."""

from __future__ import annotations

from typing import Any

from confluent_kafka.admin import AdminClient

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.processing.security import secured, serve_tokens
from streaming_runtime.processing.topics import Topics

CLIENT_ID = "millrace-processing"
EXACTLY_ONCE = "exactly-once"

# The least that brokers allow by default. Heartbeats come from a thread of C, so a busy process
# keeps its place; a dead or frozen one loses its partitions 6 s later, and 15 s are promised.
SESSION_MS = 6_000
# The others learn of a rebalance from the answer to their heartbeat.
HEARTBEAT_MS = 500
# Longer than the watchdog waits, so that it speaks first.
MAX_POLL_MS = 60_000
# Where nobody takes a dead process' partitions over, Kafka ends its transaction after so long.
TRANSACTION_MS = 10_000
REQUEST_MS = 10_000
COMMIT_SECONDS = 0.2
# Readers see a result at its commit, so here the interval is latency.
TRANSACTIONAL_COMMIT_SECONDS = 0.05
SILENT = 0
BATCH_BYTES = 1 << 20
QUEUED_RECORDS = 20_000
QUEUED_KIB = 64 << 10


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Return what every client is told of the cluster and of its connections."""
    return {
        "bootstrap.servers": settings.broker,
        **secured(settings),
        "client.id": CLIENT_ID,
        "socket.timeout.ms": REQUEST_MS,
        "socket.keepalive.enable": True,
        "socket.nagle.disable": True,
        "socket.connection.setup.timeout.ms": 5_000,
        # Below the 350 s after which load balancers forget an idle connection without a word.
        "connections.max.idle.ms": 240_000,
        "reconnect.backoff.ms": 50,
        # The default of 10 s would make a broker's restart an outage of that length.
        "reconnect.backoff.max.ms": 1_000,
        "topic.metadata.refresh.interval.ms": 60_000,
        "log.connection.close": False,
        "allow.auto.create.topics": False,
    }


def consumer_options(settings: KafkaSettings, client_id: str = CLIENT_ID) -> dict[str, Any]:
    """Return what Quix's consumer is told besides its group and where it starts."""
    return {
        **connection(settings),
        "client.id": client_id,
        "session.timeout.ms": SESSION_MS,
        "heartbeat.interval.ms": HEARTBEAT_MS,
        "max.poll.interval.ms": MAX_POLL_MS,
        "coordinator.query.interval.ms": 10_000,
        "isolation.level": "read_committed",
        # An answer comes with the first record; the wait only bounds how long silence is held.
        "fetch.min.bytes": 1,
        "fetch.wait.max.ms": 100,
        "fetch.error.backoff.ms": 100,
        "fetch.queue.backoff.ms": 20,
        "fetch.max.bytes": 32 << 20,
        "max.partition.fetch.bytes": 1 << 20,
        # For each partition, so that a backlog fills no memory.
        "queued.min.messages": QUEUED_RECORDS,
        "queued.max.messages.kbytes": 16 << 10,
        "check.crcs": True,
    }


def producer_options(
    settings: KafkaSettings, guarantee: str, topics: Topics, owner: str = ""
) -> dict[str, Any]:
    """Return what Quix's producer is told; ``owner`` is its transactional id, if it needs one.

    Shape:   results land contiguously and in order, or not at all: nothing expires one by one,
             and an error that could leave a hole stops the producer for good. A transaction has
             no hole, since it is all or nothing.
    Source:  librdkafka's CONFIGURATION.md and "Idempotent Producer" in INTRODUCTION.md.
    """
    contiguous: dict[str, Any] = {"message.timeout.ms": 0, "enable.gapless.guarantee": True}
    transactional = {
        "transactional.id": owner,
        "transaction.timeout.ms": TRANSACTION_MS,
        "message.timeout.ms": TRANSACTION_MS,
    }
    return {
        **connection(settings),
        **(transactional if guarantee == EXACTLY_ONCE else contiguous),
        "acks": "all",
        "enable.idempotence": True,
        "max.in.flight.requests.per.connection": 5,
        # With none each record wakes librdkafka's thread, which costs half as much CPU again.
        "linger.ms": 0.1,
        # A topic's limit is for a batch.
        "batch.size": min(BATCH_BYTES, topics.max_result_bytes, topics.max_dead_letter_bytes),
        "batch.num.messages": 10_000,
        "message.max.bytes": max(topics.max_result_bytes, topics.max_dead_letter_bytes),
        "queue.buffering.max.messages": QUEUED_RECORDS,
        "queue.buffering.max.kbytes": QUEUED_KIB,
        "compression.type": "none",
        "request.timeout.ms": REQUEST_MS,
        "retry.backoff.ms": 50,
        "retry.backoff.max.ms": 1_000,
        "partitioner": "murmur2",
    }


def commit_seconds(guarantee: str) -> float:
    return TRANSACTIONAL_COMMIT_SECONDS if guarantee == EXACTLY_ONCE else COMMIT_SECONDS


def group(settings: KafkaSettings) -> str:
    """Return the consumer group that all processing processes of a deployment form."""
    return f"{settings.topic_prefix}processing"


def admin(settings: KafkaSettings) -> AdminClient:
    """Return a client to ask with: it tells failures to who asks, and writes nothing itself."""
    client = AdminClient({**connection(settings), "log_level": SILENT})
    if settings.security == "iam":
        serve_tokens(client)
    return client
