"""JSON as RFC 8259 has it: Python's own parser also takes NaN."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]


def parse(text: bytes | str) -> Any:
    """Return the value of a JSON text.

    Raises:  AssertionError if it is none.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError as exc:
        raise AssertionError(f"no JSON ({exc}): {text[:200]!r}") from None


def parse_object(text: bytes | str) -> Json:
    found = parse(text)
    assert isinstance(found, dict), f"no JSON object: {text[:200]!r}"
    return found


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
