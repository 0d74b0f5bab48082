"""aiokafka's errors in our words."""

from __future__ import annotations

from aiokafka import errors as kafka

from streaming_runtime.core.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    RecordTooLarge,
    StreamingError,
)

# What the broker refused before it stored anything; specific before general.
REFUSALS: dict[type[BaseException], type[StreamingError]] = {
    kafka.MessageSizeTooLargeError: RecordTooLarge,
    kafka.RecordListTooLargeError: RecordTooLarge,
    kafka.TopicAuthorizationFailedError: BrokerUnavailable,
    kafka.ClusterAuthorizationFailedError: BrokerUnavailable,
    kafka.InvalidTopicError: BrokerUnavailable,
    # Raised before the append. The variant "after append" may be stored, so it is not here.
    kafka.NotEnoughReplicasError: BrokerUnavailable,
    kafka.ProducerClosed: BrokerUnavailable,
}

# Reading has no half-done outcome: whatever fails, nothing was changed.
READ_FAILURES: dict[type[BaseException], type[StreamingError]] = {
    kafka.KafkaError: BrokerUnavailable,
    TimeoutError: BrokerUnavailable,
    OSError: BrokerUnavailable,
}


def send_outcome(failure: BaseException) -> StreamingError:
    """Say what became of a record whose send raised ``failure``."""
    for theirs, ours in REFUSALS.items():
        if isinstance(failure, theirs):
            return ours()
    return OutcomeUnknown()
