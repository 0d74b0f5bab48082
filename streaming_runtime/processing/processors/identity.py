"""``identity``: the result is the data, byte for byte."""

from __future__ import annotations

from streaming_runtime.processing.processor import NoParameters, Process, Processor


def _make(_: NoParameters) -> Process:
    return lambda data: data


PROCESSOR = Processor("identity", NoParameters, _make)
