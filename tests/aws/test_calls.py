"""What DynamoDB's failures mean to a client of ours."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from streaming_runtime.aws.calls import THREADS, Dynamo, failed_condition
from streaming_runtime.core.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    Overloaded,
    StreamingError,
)
from tests.aws.table import TABLE, dynamo, emulated_table

CONFLICT = {"Code": "TransactionConflict"}
HOST = "https://dynamodb.invalid"


def refusal(code: str, **members: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}, **members}, "PutItem")


class Failing:
    """A client whose every call fails."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    def put_item(self, **_: Any) -> None:
        raise self._failure


async def failed(failure: Exception, *, reading: bool = False) -> Exception:
    with dynamo(lambda: Failing(failure)) as opened:
        call = opened.read if reading else opened.write
        with pytest.raises((StreamingError, ClientError)) as caught:
            await call("put_item")
    found: Exception = caught.value
    return found


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (EndpointConnectionError(endpoint_url=HOST), BrokerUnavailable),
        (ConnectTimeoutError(endpoint_url=HOST), BrokerUnavailable),
        (ReadTimeoutError(endpoint_url=HOST), OutcomeUnknown),
        (ConnectionClosedError(endpoint_url=HOST), OutcomeUnknown),
        (refusal("InternalServerError"), OutcomeUnknown),
        (refusal("AccessDeniedException"), BrokerUnavailable),
        (refusal("ResourceNotFoundException"), BrokerUnavailable),
        (refusal("ThrottlingException"), Overloaded),
        (
            refusal("TransactionCanceledException", CancellationReasons=[CONFLICT]),
            Overloaded,
        ),
        (refusal("ValidationException"), ClientError),
    ],
)
async def test_a_write_that_failed_says_whether_it_may_have_happened(
    failure: Exception, error: type[Exception]
) -> None:
    assert type(await failed(failure)) is error


async def test_a_read_that_failed_has_certainly_changed_nothing() -> None:
    found = await failed(ReadTimeoutError(endpoint_url=HOST), reading=True)

    assert type(found) is BrokerUnavailable
    assert "nothing was changed" in str(found)


async def test_a_call_that_hangs_is_given_up() -> None:
    is_over = threading.Event()

    class Hanging:
        def put_item(self, **_: Any) -> None:
            is_over.wait(10)

    with dynamo(Hanging, call_seconds=0.05) as opened:
        calls_made = [opened.write("put_item") for _ in range(THREADS + 1)]
        outcomes = await asyncio.gather(*calls_made, return_exceptions=True)
        is_over.set()

    assert [type(outcome) for outcome in outcomes] == [*[OutcomeUnknown] * THREADS, Overloaded]


async def test_nothing_is_opened_before_the_first_call() -> None:
    made: list[int] = []

    with dynamo(lambda: made.append(1)):
        await asyncio.sleep(0)

    assert made == []


def test_a_condition_that_does_not_hold_is_told_with_what_stands_there() -> None:
    item = {"pk": {"S": "x"}}

    assert failed_condition(refusal("ConditionalCheckFailedException", Item=item)) == item
    assert failed_condition(refusal("ConditionalCheckFailedException")) == {}
    assert failed_condition(refusal("ValidationException")) is None
    of_first = [{"Code": "ConditionalCheckFailed", "Item": item}, {"Code": "None"}]
    assert (
        failed_condition(refusal("TransactionCanceledException", CancellationReasons=of_first))
        == item
    )


async def test_the_client_knows_the_table_as_it_is_named() -> None:
    with emulated_table(), dynamo() as opened:
        found = await opened.read("describe_table", TableName=opened.table)

    assert found["Table"]["TableName"] == TABLE
    assert isinstance(opened, Dynamo)
