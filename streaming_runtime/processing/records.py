"""Records of the Kafka contract as processing sees them: what comes in and what goes out."""

from __future__ import annotations

from typing import Literal, NamedTuple

Header = tuple[str, bytes | None]


class InputRecord(NamedTuple):
    """A record of the input topic, anyone's: nothing of it has been checked.

    Units:  ``timestamp`` is Kafka's, in milliseconds since 1970, and may be any number.
    Shape:  ``headers`` is None if their names are not text.
    """

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[Header] | None
    timestamp: int

    @property
    def source(self) -> bytes:
        return b"%d-%d" % (self.partition, self.offset)


class OutputRecord(NamedTuple):
    """A record to write.

    Shape:  ``kind`` is that of a result, or ``dead-letter``; ``partition`` is None where the key
            decides.
    Units:  ``timestamp`` is now, in milliseconds since 1970; ``age_ms`` counts from the sending.
    """

    kind: Literal["result", "failed", "end", "dead-letter"]

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: list[Header]
    timestamp: int
    age_ms: int = 0
