"""``reject``: data that an expression holds true of becomes a ``failed`` result."""

from __future__ import annotations

import msgspec

from streaming_runtime.processing.expressions import Expression, is_true
from streaming_runtime.processing.json_text import parse
from streaming_runtime.processing.processor import Output, Process, Processor, Rejected

REJECTED = Rejected("The data matches what this stream rejects")


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``when`` is JMESPath."""

    when: str


def _make(parameters: Parameters) -> Process:
    expression = Expression("when", parameters.when)

    def reject(data: bytes) -> Output:
        return REJECTED if is_true(expression.search(parse(data))) else data

    return reject


PROCESSOR = Processor("reject", Parameters, _make)
