"""A Quix topic whose records arrive as they are, whatever is in them."""

from __future__ import annotations

from operator import methodcaller
from typing import Any

from streaming_runtime.processing.quix import MessageContext, Row, Topic
from streaming_runtime.processing.records import Header, InputRecord

READ_HEADERS = methodcaller("headers")


class RawTopic(Topic):
    """Gives an InputRecord for each message.

    Quix's own reading of a message ends the application when a header's name is not text: one
    such record would stop its partition for ever.
    """

    def row_deserialize(self, message: Any) -> Row:
        partition, offset, key = message.partition(), message.offset(), message.key()
        timestamp = message.timestamp()[1]
        record = InputRecord(partition, offset, key, message.value(), _headers(message), timestamp)
        context = MessageContext(message.topic(), partition, offset, len(message))
        return Row(record, key, timestamp, context, None)


def _headers(message: Any) -> list[Header] | None:
    """Return the headers, or None if they cannot be read.

    For a name that is not UTF-8 confluent-kafka 2.12 returns a list with a null pointer in it and
    leaves its exception behind. Python's fast calls overlook that, and the process dies anywhere
    later; a call through C is checked, and nobody may ask a second time.
    """
    try:
        return READ_HEADERS(message) or []
    except (UnicodeError, SystemError):
        return None
