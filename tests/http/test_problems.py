"""Each error has its status, its type and its headers."""

import json

import pytest

from streaming_runtime.core import errors
from streaming_runtime.core.errors import StreamingError, every_error
from streaming_runtime.http import problems


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.code)
def test_every_error_has_a_status_and_a_whole_document(error: type[StreamingError]) -> None:
    document = json.loads(problems.encode(error("what happened"), "r1"))

    assert error in problems.STATUS
    assert document == {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": problems.status_of(error()),
        "detail": "what happened",
        "code": error.code,
        "retriable": error.retriable,
        "request_id": "r1",
    }


def test_an_error_adds_members_of_its_own() -> None:
    document = problems.document(errors.PositionGone(earliest="c"), "r1")

    assert document["earliest"] == "c"


def test_an_unknown_fault_is_a_500_that_tells_nothing() -> None:
    document = problems.document(StreamingError(), "r1")

    assert (document["status"], document["code"]) == (500, "internal")


@pytest.mark.parametrize(
    "error", [errors.BrokerUnavailable, errors.OutcomeUnknown, errors.Overloaded]
)
def test_who_is_asked_to_come_back_is_told_when(error: type[StreamingError]) -> None:
    drawn = {problems.headers(error())["Retry-After"] for _ in range(100)}

    assert drawn == {"1", "2", "3"}
