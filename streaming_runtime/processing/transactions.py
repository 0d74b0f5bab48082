"""Exactly-once: who has a partition ends the transaction that a dead owner of it left open."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.processing import clients
from streaming_runtime.processing.quix import InternalProducer

log = logging.getLogger("millrace.processing.transactions")

ASK_SECONDS = 5.0
END_SECONDS = 5.0


def new_owner(settings: KafkaSettings) -> str:
    """Return a name for one run: its transactional id, and its client id in the group."""
    return f"{clients.group(settings)}-{secrets.token_hex(8)}"


class NamedProducer(InternalProducer):
    """Quix's producer, but that each committed offset says whose transaction committed it."""

    def __init__(self, owner: str, **options: Any) -> None:
        super().__init__(**options)
        self._owner = owner

    def commit_transaction(
        self, positions: list[TopicPartition], group_metadata: Any, timeout: float | None = None
    ) -> None:
        named = [
            TopicPartition(p.topic, p.partition, p.offset, metadata=self._owner) for p in positions
        ]
        super().commit_transaction(named, group_metadata, timeout)


class OpenTransactions:
    """Ends what dead owners of partitions left open.

    Readers see nothing behind an open transaction, and Kafka ends one of a dead process only when
    its time is over and its own cleaning comes round, up to 20 s later. Whoever uses its id ends
    it at once. The committed offsets tell the id, the members of the group whether it lives.
    """

    def __init__(self, settings: KafkaSettings, admin: AdminClient, owner: str) -> None:
        self._settings = settings
        self._admin = admin
        self._owner = owner
        # What fails is raised here; librdkafka's own lines would stand in the log as they are.
        self._quiet = {**clients.connection(settings), "log_level": clients.SILENT}

    def end(self, partitions: list[TopicPartition]) -> None:
        """End those of the last owners of these partitions that are dead; log what fails."""
        try:
            owners = self._owners(partitions)
            dead = owners - self._living() if owners else set()
            for owner in sorted(dead):
                self._end(owner)
        except (KafkaException, TimeoutError) as exc:
            log.warning(
                "transactions that a dead process may have left open end when Kafka's time for"
                " them is over",
                extra={"reason": repr(exc)},
            )

    def claim(self, consumer: Any, committed: Iterable[TopicPartition]) -> None:
        """Name this run in the committed offsets, which stay what they are, before it begins work.

        So the next owner knows whose transaction to end, even if this one never comes to commit.
        """
        try:
            named = [
                TopicPartition(p.topic, p.partition, _start(consumer, p), metadata=self._owner)
                for p in committed
            ]
            consumer.commit(offsets=named, asynchronous=False)
        except KafkaException as exc:
            log.warning("the partitions could not be claimed", extra={"reason": repr(exc)})

    def _owners(self, partitions: list[TopicPartition]) -> set[str]:
        # Not the group's own consumer: it would wait until the very transactions are over.
        consumer = Consumer(
            {
                **self._quiet,
                "group.id": clients.group(self._settings),
                "isolation.level": "read_uncommitted",
            }
        )
        try:
            committed = consumer.committed(partitions, timeout=ASK_SECONDS)
        finally:
            consumer.close()
        prefix = f"{clients.group(self._settings)}-"
        names = {p.metadata for p in committed if p.metadata and p.metadata.startswith(prefix)}
        return names - {self._owner}

    def _living(self) -> set[str]:
        group = clients.group(self._settings)
        future = self._admin.describe_consumer_groups([group], request_timeout=ASK_SECONDS)[group]
        return {member.client_id for member in future.result(2 * ASK_SECONDS).members}

    def _end(self, owner: str) -> None:
        producer = Producer({**self._quiet, "transactional.id": owner})
        producer.init_transactions(END_SECONDS)
        log.info("ended what a dead process may have left open", extra={"owner": owner})


def _start(consumer: Any, committed: TopicPartition) -> int:
    """Return where processing goes on: at the earliest if nothing was committed."""
    offset: int = committed.offset
    if offset < 0:
        offset, _ = consumer.get_watermark_offsets(committed, timeout=ASK_SECONDS)
    return offset


def input_partitions(topic: str, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
    """Return those of the input among all that are assigned, the changelog's too."""
    return [TopicPartition(topic, p.partition) for p in partitions if p.topic == topic]
