"""The Quix Streams application: input topic, handling, output topics, commits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from streaming_runtime.core.settings import KafkaSettings, ProcessingSettings
from streaming_runtime.processing import clients
from streaming_runtime.processing.handling import Handling
from streaming_runtime.processing.keyed_state import StateOptions, StateTopics
from streaming_runtime.processing.lag import Lag
from streaming_runtime.processing.metrics import Tally
from streaming_runtime.processing.quix import (
    Application,
    ConnectionConfig,
    InternalProducer,
    ProducerErrorCallback,
    TopicAdmin,
)
from streaming_runtime.processing.raw_topic import RawTopic
from streaming_runtime.processing.records import InputRecord, OutputRecord
from streaming_runtime.processing.recovery import Recovery
from streaming_runtime.processing.repeats import KeyedState, Repeats
from streaming_runtime.processing.state_folder import StateFolder
from streaming_runtime.processing.stopping import Stop
from streaming_runtime.processing.topics import Topics, state_topic
from streaming_runtime.processing.transactions import (
    NamedProducer,
    OpenTransactions,
    input_partitions,
    new_owner,
)

# Commits are looked for after each poll, so an idle topic's last records wait for one poll.
POLL_SECONDS = 0.1
# With brokers gone for longer, new connections from the bootstrap addresses are the better bet.
BROKERS_GONE_SECONDS = 60.0
COMMITTED_SECONDS = 10.0
FULL_QUEUE_SECONDS = 1.0
FULL_QUEUE_TRIES = 60


@dataclass(frozen=True, slots=True)
class Parts:
    """What belongs to the process and outlives a run."""

    admin: AdminClient
    lag: Lag
    tally: Tally
    stop: Stop
    state: StateFolder
    now_ms: Callable[[], int]


class Pipeline(Application):
    """One run from the last commit on.

    Quix flushes its producer before each commit and raises if any delivery failed, so what is
    committed is acknowledged; whatever ``run`` raises leaves the rest to the next run. What the
    state has learnt goes to its changelog before that commit, and to the disk after it; recovery
    leaves out what was not committed.
    Source:  quixstreams 3.28, Checkpoint.commit, InternalProducer and RecoveryPartition.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        processing: ProcessingSettings,
        handling: Handling,
        parts: Parts,
        topics: Topics,
    ) -> None:
        self.turns = 0
        self.written = 0
        self._kafka = kafka
        self._handling = handling
        self._lag = parts.lag
        self._tally = parts.tally
        self._stop = parts.stop
        self._owner = new_owner(kafka)
        self._open = OpenTransactions(kafka, parts.admin, self._owner)
        super().__init__(
            # How it is reached stands in what each client is told, in librdkafka's own words.
            broker_address=ConnectionConfig(bootstrap_servers=kafka.broker),
            consumer_group=clients.group(kafka),
            auto_offset_reset="earliest",
            auto_create_topics=False,
            commit_interval=clients.commit_seconds(processing.guarantee),
            consumer_poll_timeout=POLL_SECONDS,
            consumer_extra_config=clients.consumer_options(kafka, self._owner),
            producer_extra_config=clients.producer_options(
                kafka, processing.guarantee, topics, self._owner
            ),
            processing_guarantee=_guarantee(processing),
            state_dir=parts.state.of_topic(topics.state_id),
            rocksdb_options=StateOptions(),
            broker_availability_timeout=BROKERS_GONE_SECONDS,
            loglevel=None,
        )
        self._repeats = Repeats(self._state, parts.now_ms)
        self._state_manager._recovery_manager = Recovery(
            self._consumer, self._topic_manager, BROKERS_GONE_SECONDS, self._turn
        )
        dataframe = self.dataframe(self._topic_manager.register(RawTopic(kafka.input_topic)))
        dataframe.register_store()
        dataframe.update(self._handle)
        self._stream_id = dataframe.stream_id
        self._dataframe_registry.register_periodic_task(self._turn)

    @property
    def outstanding(self) -> int:
        """Records handed to the producer that Kafka has not acknowledged."""
        producer = self._producer
        return len(producer._producer) if producer.instantiated else 0

    def discard(self) -> None:
        """Drop what is not delivered: the next run begins at the last commit and does it again."""
        self._lag.clear()
        if self._producer.instantiated:
            self._producer.purge()  # type: ignore[no-untyped-call]

    def _handle(self, record: InputRecord) -> None:
        outputs = self._handling.outputs(record, self._repeats.holds)
        for output in outputs:
            self._write(output)
        if not outputs:
            self._tally.repeats += 1
        self._lag.done(record.partition, record.offset)

    def _state(self, partition: int) -> KeyedState:
        """Return what the current checkpoint knows and learns of a partition.

        Asked for by hand: Quix's own way would begin a transaction for records without a key too.
        """
        checkpoint = self._processing_context.checkpoint
        return checkpoint.get_store_transaction(self._stream_id, partition)

    def _write(self, output: OutputRecord) -> None:
        self.written += 1
        self._producer.produce(
            output.topic,
            output.value,
            output.key,
            cast(Any, output.headers),  # A header may be null in Kafka; Quix forgot.
            output.partition,
            output.timestamp,
            poll_timeout=FULL_QUEUE_SECONDS,
            buffer_error_max_tries=FULL_QUEUE_TRIES,
        )
        self._tally.add(output.kind, output.age_ms)

    def _turn(self) -> None:
        self.turns += 1
        if self._stop.is_told:
            self.stop()

    def _setup_signal_handlers(self) -> None:
        """Leave the signals to Stop: it hears them between runs too."""

    def _get_topic_manager(self) -> StateTopics:
        admin = TopicAdmin(self.config.broker_address, extra_config=clients.connection(self._kafka))
        return StateTopics(admin, clients.group(self._kafka), state_topic(self._kafka))

    def _get_internal_producer(
        self,
        on_error: ProducerErrorCallback | None = None,
        transactional: bool | None = None,
    ) -> InternalProducer:
        if transactional is False or not self.config.exactly_once:
            return super()._get_internal_producer(on_error, transactional)
        return NamedProducer(
            self._owner,
            broker_address=self.config.broker_address,
            extra_config=self.config.producer_extra_config,
            flush_timeout=self.config.flush_timeout,
            on_error=on_error,
            transactional=True,
        )

    def _on_assign(self, consumer: Any, topic_partitions: list[TopicPartition]) -> None:
        inputs = input_partitions(self._kafka.input_topic, topic_partitions)
        if self.config.exactly_once:
            self._open.end(inputs)
        super()._on_assign(consumer, topic_partitions)
        committed = consumer.committed(inputs, timeout=COMMITTED_SECONDS)
        if self.config.exactly_once and inputs:
            self._open.claim(consumer, committed)
        self._lag.assigned({tp.partition: tp.offset for tp in committed})

    def _on_revoke(self, consumer: Any, topic_partitions: list[TopicPartition]) -> None:
        self._forget(topic_partitions)
        super()._on_revoke(consumer, topic_partitions)

    def _on_lost(self, consumer: Any, topic_partitions: list[TopicPartition]) -> None:
        self._forget(topic_partitions)
        super()._on_lost(consumer, topic_partitions)

    def _forget(self, topic_partitions: list[TopicPartition]) -> None:
        inputs = input_partitions(self._kafka.input_topic, topic_partitions)
        self._lag.revoked(tp.partition for tp in inputs)


def _guarantee(processing: ProcessingSettings) -> Literal["at-least-once", "exactly-once"]:
    return "exactly-once" if processing.guarantee == clients.EXACTLY_ONCE else "at-least-once"
