from __future__ import annotations

from typing import Any

import pytest

from streaming_runtime.processing.raw_topic import RawTopic
from streaming_runtime.processing.records import InputRecord


class Message:
    """What confluent-kafka gives, which cannot be made from Python."""

    def __init__(self, headers: Any) -> None:
        self._headers = headers
        self.asked = 0

    def headers(self) -> Any:
        self.asked += 1
        if isinstance(self._headers, Exception):
            raise self._headers
        return self._headers

    def __len__(self) -> int:
        return 1

    def topic(self) -> str:
        return "input"

    def partition(self) -> int:
        return 2

    def offset(self) -> int:
        return 7

    def key(self) -> bytes:
        return b"key"

    def value(self) -> bytes | None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, 900


def test_a_record_arrives_as_it_is() -> None:
    headers = [("a", b"\xff"), ("a", None)]

    row = RawTopic("input").row_deserialize(Message(headers))

    assert row.value == InputRecord(2, 7, b"key", None, headers, 900)
    assert (row.topic, row.partition, row.offset, row.key) == ("input", 2, 7, b"key")


def test_no_headers_are_an_empty_list() -> None:
    row = RawTopic("input").row_deserialize(Message(None))

    assert isinstance(row.value, InputRecord)
    assert row.value.headers == []


@pytest.mark.parametrize(
    "failure",
    [
        SystemError("a result with an exception set"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
    ],
)
def test_headers_that_cannot_be_read_are_none_and_asked_for_once(failure: Exception) -> None:
    message = Message(failure)

    row = RawTopic("input").row_deserialize(message)

    assert isinstance(row.value, InputRecord)
    assert row.value.headers is None
    assert message.asked == 1
