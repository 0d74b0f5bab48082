"""The trace that a request belongs to, passed on with its record."""

from __future__ import annotations

import re
from typing import Final

# What does not have this form is not passed on. Source: W3C Trace Context, section 3.2.
TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


def traceparent_of(found: str | None) -> str | None:
    """Return a traceparent field if it is one."""
    return found if found is not None and TRACEPARENT.fullmatch(found) else None
