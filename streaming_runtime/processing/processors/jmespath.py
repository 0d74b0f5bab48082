"""``jmespath``: the result is what an expression finds in the data; null if it finds nothing."""

from __future__ import annotations

import msgspec

from streaming_runtime.processing.expressions import Expression
from streaming_runtime.processing.json_text import encode, parse
from streaming_runtime.processing.processor import Process, Processor


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``expression`` is JMESPath."""

    expression: str


def _make(parameters: Parameters) -> Process:
    expression = Expression("expression", parameters.expression)
    return lambda data: encode(expression.search(parse(data)))


PROCESSOR = Processor("jmespath", Parameters, _make)
