"""aiokafka's errors in our words."""

from __future__ import annotations

from aiokafka import errors as kafka

from streaming_runtime.core.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    RecordTooLarge,
    StreamingError,
)

# What the broker refuses before it stores anything; specific before general.
REFUSALS: dict[type[BaseException], type[StreamingError]] = {
    kafka.MessageSizeTooLargeError: RecordTooLarge,
    kafka.RecordListTooLargeError: RecordTooLarge,
    kafka.TopicAuthorizationFailedError: BrokerUnavailable,
    kafka.ClusterAuthorizationFailedError: BrokerUnavailable,
    kafka.InvalidTopicError: BrokerUnavailable,
    # A clock that is an hour ahead of the broker's.
    kafka.InvalidTimestampError: BrokerUnavailable,
    # Checked before it appends; NotEnoughReplicasAfterAppend is another one, and unknown.
    kafka.NotEnoughReplicasError: BrokerUnavailable,
    # Ours, not the broker's: there was no connection to send it on.
    kafka.NodeNotReadyError: BrokerUnavailable,
}
# NotLeaderForPartition is not here: a leader that lost its office while it waited for replicas
# says the same of what it has appended.
CERTAIN: tuple[type[BaseException], ...] = tuple(REFUSALS)

# Reading has no half-done outcome: whatever fails, nothing was changed.
READ_FAILURES: dict[type[BaseException], type[StreamingError]] = {
    kafka.KafkaError: BrokerUnavailable,
    TimeoutError: BrokerUnavailable,
    OSError: BrokerUnavailable,
}
# For who waits such a fault out instead of telling a client.
READ_FAULTS: tuple[type[BaseException], ...] = tuple(READ_FAILURES)


def is_certain(failure: BaseException) -> bool:
    """Return whether an attempt that ended so has stored nothing."""
    return isinstance(failure, CERTAIN)


def send_outcome(failure: BaseException, open_attempts: int) -> StreamingError:
    """Say what became of a batch that failed, of whose attempts so many may have stored it.

    A batch that never left, or was refused each time, is certainly not stored.
    """
    if open_attempts:
        return OutcomeUnknown()
    for theirs, ours in REFUSALS.items():
        if isinstance(failure, theirs):
            return ours()
    return BrokerUnavailable()
