import re

import pytest

from streaming_runtime.core.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    RateLimited,
    StreamingError,
    every_error,
    translated,
)

CODE = re.compile("[a-z]+(-[a-z]+)*")


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.code)
def test_each_error_has_a_code_and_a_title_of_its_own(error: type[StreamingError]) -> None:
    others = [other for other in every_error() if other is not error]

    assert CODE.fullmatch(error.code)
    assert error.code not in {other.code for other in others} | {StreamingError.code}
    assert error.title not in {other.title for other in others} | {StreamingError.title}
    assert isinstance(error.retriable, bool)


def test_no_error_is_missing_from_the_list() -> None:
    def below(error: type[StreamingError]) -> set[type[StreamingError]]:
        return {error}.union(*map(below, error.__subclasses__()))

    assert set(every_error()) == below(StreamingError) - {StreamingError}


def test_the_codes_are_those_of_the_contract() -> None:
    assert [error.code for error in every_error()] == [
        "batch-too-large",
        "broker-unavailable",
        "forbidden",
        "head-too-large",
        "idempotency-in-progress",
        "idempotency-mismatch",
        "invalid-body",
        "invalid-cursor",
        "invalid-parameter",
        "method-not-allowed",
        "not-acceptable",
        "not-found",
        "outcome-unknown",
        "overloaded",
        "position-gone",
        "processing-failed",
        "rate-limited",
        "record-too-large",
        "request-timeout",
        "stream-ended",
        "unauthorized",
        "unknown-stream",
    ]


def test_without_a_detail_the_title_is_what_a_client_reads() -> None:
    assert str(RateLimited()) == RateLimited.title
    assert str(RateLimited("slower, please")) == "slower, please"


def test_each_instance_has_members_and_headers_of_its_own() -> None:
    one, other = RateLimited(earliest="x"), RateLimited()
    one.headers["Retry-After"] = "1"

    assert one.members == {"earliest": "x"}
    assert (other.members, other.headers) == ({}, {})


def test_a_driver_error_becomes_ours_and_its_text_stays_in_the_cause() -> None:
    foreign = ConnectionResetError("10.0.0.7 said something")

    with pytest.raises(OutcomeUnknown) as caught, translated({OSError: OutcomeUnknown}):
        raise foreign

    assert caught.value.__cause__ is foreign
    assert "10.0.0.7" not in str(caught.value)


def test_the_first_that_fits_in_the_table_counts() -> None:
    table: dict[type[BaseException], type[StreamingError]] = {
        ConnectionError: BrokerUnavailable,
        OSError: OutcomeUnknown,
    }

    with pytest.raises(BrokerUnavailable), translated(table):
        raise ConnectionResetError
    with pytest.raises(OutcomeUnknown), translated(table):
        raise FileNotFoundError


def test_what_is_not_in_the_table_stays_what_it_is() -> None:
    with pytest.raises(KeyError), translated({OSError: OutcomeUnknown}):
        raise KeyError("x")
