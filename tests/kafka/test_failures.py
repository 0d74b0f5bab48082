import pytest
from aiokafka import errors as kafka

from streaming_runtime.core.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    RecordTooLarge,
    StreamingError,
)
from streaming_runtime.kafka.failures import REFUSALS, send_outcome


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (kafka.MessageSizeTooLargeError(), RecordTooLarge),
        (kafka.TopicAuthorizationFailedError("input"), BrokerUnavailable),
        (kafka.OutOfOrderSequenceNumber(), OutcomeUnknown),
        (kafka.NotEnoughReplicasAfterAppendError(), OutcomeUnknown),
        (kafka.KafkaError("anything else"), OutcomeUnknown),
        (ValueError("not even Kafka's"), OutcomeUnknown),
    ],
)
def test_the_first_attempts_failure_decides(
    failure: BaseException, expected: type[StreamingError]
) -> None:
    assert type(send_outcome(failure, attempts=1)) is expected


@pytest.mark.parametrize("refusal", [theirs() for theirs in REFUSALS])
def test_a_refusal_after_an_attempt_without_answer_is_unknown(refusal: BaseException) -> None:
    assert isinstance(send_outcome(refusal, attempts=2), OutcomeUnknown)


def test_what_never_left_is_not_stored_whatever_happened() -> None:
    failure = kafka.KafkaError("Unexpected error during batch delivery")

    assert isinstance(send_outcome(failure, attempts=0), BrokerUnavailable)
