"""The settings that promises rest on, each with the promise."""

from __future__ import annotations

from confluent_kafka import Consumer, Producer

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.processing import clients
from streaming_runtime.processing.topics import Topics
from streaming_runtime.processing.watchdog import STALL_SECONDS

KAFKA = KafkaSettings("127.0.0.1:1", "plaintext", "t.", 3)
TOPICS = Topics(3, 2 << 20, 3 << 20)


def test_results_never_expire_one_by_one_and_leave_no_hole() -> None:
    options = clients.producer_options(KAFKA, "at-least-once", TOPICS)

    assert options["message.timeout.ms"] == 0
    assert options["enable.gapless.guarantee"] is True
    assert options["enable.idempotence"] is True
    assert options["acks"] == "all"
    assert options["max.in.flight.requests.per.connection"] <= 5
    assert options["partitioner"] == "murmur2"


def test_partitions_of_a_dead_process_move_within_fifteen_seconds() -> None:
    options = clients.consumer_options(KAFKA)

    assert options["session.timeout.ms"] <= 10_000
    assert options["heartbeat.interval.ms"] <= options["session.timeout.ms"] / 3
    assert options["session.timeout.ms"] + 2 * options["heartbeat.interval.ms"] < 15_000


def test_the_watchdog_speaks_before_the_group_gives_up() -> None:
    assert clients.consumer_options(KAFKA)["max.poll.interval.ms"] > STALL_SECONDS * 1_000


def test_only_what_is_committed_is_read_and_a_transaction_dies_soon() -> None:
    options = clients.producer_options(KAFKA, "exactly-once", TOPICS)

    assert clients.consumer_options(KAFKA)["isolation.level"] == "read_committed"
    assert options["transaction.timeout.ms"] <= 15_000
    assert options["message.timeout.ms"] <= options["transaction.timeout.ms"]
    assert clients.commit_seconds("exactly-once") < clients.commit_seconds("at-least-once") < 1


def test_queues_are_bounded_and_latency_is_not_left_to_a_default() -> None:
    consumer = clients.consumer_options(KAFKA)
    producer = clients.producer_options(KAFKA, "at-least-once", TOPICS)

    assert producer["queue.buffering.max.messages"] <= 100_000
    assert producer["queue.buffering.max.kbytes"] <= 128 << 10
    assert consumer["queued.max.messages.kbytes"] <= 64 << 10
    assert producer["linger.ms"] <= 2
    assert consumer["fetch.min.bytes"] == 1
    assert consumer["fetch.wait.max.ms"] <= 100
    assert producer["reconnect.backoff.max.ms"] <= 1_000


def test_no_batch_is_larger_than_any_topic_takes() -> None:
    small = clients.producer_options(KAFKA, "at-least-once", Topics(3, 20_000, 3 << 20))
    large = clients.producer_options(KAFKA, "at-least-once", TOPICS)

    assert (small["batch.size"], small["message.max.bytes"]) == (20_000, 3 << 20)
    assert large["batch.size"] <= TOPICS.max_result_bytes


def test_librdkafka_knows_every_one_of_them() -> None:
    for guarantee in ("at-least-once", "exactly-once"):
        options = clients.producer_options(KAFKA, guarantee, TOPICS)
        if guarantee == "exactly-once":
            options["transactional.id"] = "t"
        Producer(options)

    Consumer({**clients.consumer_options(KAFKA), "group.id": clients.group(KAFKA)}).close()


def test_the_group_belongs_to_the_deployment() -> None:
    assert clients.group(KAFKA) == "t.processing"
