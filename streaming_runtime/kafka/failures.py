"""aiokafka's errors in our words."""

from __future__ import annotations

from aiokafka import errors as kafka

from streaming_runtime.core.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    RecordTooLarge,
    StreamingError,
)

# What the broker refuses before it stores anything; specific before general. Whatever aiokafka
# calls retriable (NotEnoughReplicas, a leader that moved) is not here: an idempotent batch is sent
# again until our deadline, and what has left by then is unknown.
REFUSALS: dict[type[BaseException], type[StreamingError]] = {
    kafka.MessageSizeTooLargeError: RecordTooLarge,
    kafka.RecordListTooLargeError: RecordTooLarge,
    kafka.TopicAuthorizationFailedError: BrokerUnavailable,
    kafka.ClusterAuthorizationFailedError: BrokerUnavailable,
    kafka.InvalidTopicError: BrokerUnavailable,
    # A clock that is an hour ahead of the broker's.
    kafka.InvalidTimestampError: BrokerUnavailable,
    # Ours, not the broker's: it had no leader for so long that the batch was never sent.
    kafka.NotLeaderForPartitionError: BrokerUnavailable,
    kafka.LeaderNotAvailableError: BrokerUnavailable,
}

# Reading has no half-done outcome: whatever fails, nothing was changed.
READ_FAILURES: dict[type[BaseException], type[StreamingError]] = {
    kafka.KafkaError: BrokerUnavailable,
    TimeoutError: BrokerUnavailable,
    OSError: BrokerUnavailable,
}
# For who waits such a fault out instead of telling a client.
READ_FAULTS: tuple[type[BaseException], ...] = tuple(READ_FAILURES)


def send_outcome(failure: BaseException, attempts: int) -> StreamingError:
    """Say what became of a batch that failed after having left ``attempts`` times.

    Only the first attempt's refusal is certain: an earlier one, of which no answer came, may have
    been stored. A batch that never left is certainly not stored, whatever the failure.
    """
    if attempts == 0:
        return BrokerUnavailable()
    if attempts == 1:
        for theirs, ours in REFUSALS.items():
            if isinstance(failure, theirs):
                return ours()
    return OutcomeUnknown()
