"""``uppercase``: every string in the data in capitals; all else stays as it was written."""

from __future__ import annotations

import json
import re

from streaming_runtime.processing.processor import NoParameters, Process, Processor

# In valid JSON a string before a colon is a name, and every other one is a value. The name is
# matched with its colon, so that its closing quote is never taken for an opening one.
STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"(\s*+:)?')


def uppercase(data: bytes) -> bytes:
    """Return the JSON with its strings in capitals: names, numbers, order and white space stay."""
    return STRING.sub(_in_capitals, data.decode()).encode()


def _in_capitals(string: re.Match[str]) -> str:
    text = string[0]
    if string[1] is not None:
        return text
    if "\\" not in text:
        return text.upper()
    return json.dumps(json.loads(text).upper(), ensure_ascii=False)


def _make(_: NoParameters) -> Process:
    return uppercase


PROCESSOR = Processor("uppercase", NoParameters, _make)
