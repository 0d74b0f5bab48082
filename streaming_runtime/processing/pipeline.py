"""The Quix Streams application: input topic, handling, output topics, commits."""

from __future__ import annotations

from typing import Any, Literal, cast

from confluent_kafka import TopicPartition

from streaming_runtime.core.settings import KafkaSettings, ProcessingSettings
from streaming_runtime.processing import clients
from streaming_runtime.processing.handling import Handling
from streaming_runtime.processing.lag import Lag
from streaming_runtime.processing.metrics import Tally
from streaming_runtime.processing.quix import Application, ConnectionConfig
from streaming_runtime.processing.raw_topic import RawTopic
from streaming_runtime.processing.records import InputRecord, OutputRecord
from streaming_runtime.processing.stopping import Stop
from streaming_runtime.processing.topics import Topics

# Commits are looked for after each poll, so an idle topic's last records wait for one poll.
POLL_SECONDS = 0.1
# With brokers gone for longer, new connections from the bootstrap addresses are the better bet.
BROKERS_GONE_SECONDS = 60.0
COMMITTED_SECONDS = 10.0
FULL_QUEUE_SECONDS = 1.0
FULL_QUEUE_TRIES = 60


class Pipeline(Application):
    """One run from the last commit on.

    Quix flushes its producer before each commit and raises if any delivery failed, so what is
    committed is acknowledged; whatever ``run`` raises leaves the rest to the next run.
    Source:  quixstreams 3.28, Checkpoint.commit and InternalProducer.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        processing: ProcessingSettings,
        handling: Handling,
        lag: Lag,
        tally: Tally,
        stop: Stop,
        topics: Topics,
    ) -> None:
        super().__init__(
            broker_address=ConnectionConfig(
                bootstrap_servers=kafka.broker, security_protocol=kafka.security
            ),
            consumer_group=clients.group(kafka),
            auto_offset_reset="earliest",
            auto_create_topics=False,
            commit_interval=clients.commit_seconds(processing.guarantee),
            consumer_poll_timeout=POLL_SECONDS,
            consumer_extra_config=clients.consumer_options(kafka),
            producer_extra_config=clients.producer_options(kafka, processing.guarantee, topics),
            processing_guarantee=_guarantee(processing),
            state_dir=processing.state_dir,
            broker_availability_timeout=BROKERS_GONE_SECONDS,
            loglevel=None,
        )
        self.turns = 0
        self.written = 0
        self._handling = handling
        self._lag = lag
        self._tally = tally
        self._stop = stop
        topic = self._topic_manager.register(RawTopic(kafka.input_topic))
        self.dataframe(topic).update(self._handle)
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
        for output in self._handling.outputs(record):
            self._write(output)
        self._lag.done(record.partition, record.offset)

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

    def _on_assign(self, consumer: Any, topic_partitions: list[TopicPartition]) -> None:
        super()._on_assign(consumer, topic_partitions)
        committed = consumer.committed(topic_partitions, timeout=COMMITTED_SECONDS)
        self._lag.assigned({tp.partition: tp.offset for tp in committed})

    def _on_revoke(self, consumer: Any, topic_partitions: list[TopicPartition]) -> None:
        self._lag.revoked(tp.partition for tp in topic_partitions)
        super()._on_revoke(consumer, topic_partitions)

    def _on_lost(self, consumer: Any, topic_partitions: list[TopicPartition]) -> None:
        self._lag.revoked(tp.partition for tp in topic_partitions)
        super()._on_lost(consumer, topic_partitions)


def _guarantee(processing: ProcessingSettings) -> Literal["at-least-once", "exactly-once"]:
    return "exactly-once" if processing.guarantee == clients.EXACTLY_ONCE else "at-least-once"
