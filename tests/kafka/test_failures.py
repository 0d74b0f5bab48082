import pytest
from aiokafka import errors as kafka

from streaming_runtime.core.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    RecordTooLarge,
    StreamingError,
)
from streaming_runtime.kafka.failures import REFUSALS, is_certain, send_outcome


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (kafka.MessageSizeTooLargeError(), RecordTooLarge),
        (kafka.TopicAuthorizationFailedError("input"), BrokerUnavailable),
        (kafka.NotEnoughReplicasError(), BrokerUnavailable),
        (kafka.NodeNotReadyError("no connection"), BrokerUnavailable),
    ],
)
def test_a_refusal_is_certain_and_named(
    failure: BaseException, expected: type[StreamingError]
) -> None:
    assert is_certain(failure)
    assert type(send_outcome(failure, open_attempts=0)) is expected


@pytest.mark.parametrize(
    "failure",
    [
        kafka.NotEnoughReplicasAfterAppendError(),
        # A leader says so also of what it has appended before it lost its office.
        kafka.NotLeaderForPartitionError(),
        kafka.RequestTimedOutError(),
        kafka.KafkaConnectionError("closed"),
        kafka.OutOfOrderSequenceNumber(),
        kafka.KafkaError("anything else"),
        ValueError("not even Kafka's"),
    ],
)
def test_whatever_may_come_after_the_append_leaves_an_attempt_open(failure: BaseException) -> None:
    assert not is_certain(failure)
    assert isinstance(send_outcome(failure, open_attempts=1), OutcomeUnknown)


@pytest.mark.parametrize("refusal", [theirs() for theirs in REFUSALS])
def test_a_refusal_after_an_attempt_without_answer_is_unknown(refusal: BaseException) -> None:
    assert isinstance(send_outcome(refusal, open_attempts=1), OutcomeUnknown)


def test_what_never_left_is_not_stored_whatever_happened() -> None:
    failure = kafka.KafkaError("Unexpected error during batch delivery")

    assert isinstance(send_outcome(failure, open_attempts=0), BrokerUnavailable)
