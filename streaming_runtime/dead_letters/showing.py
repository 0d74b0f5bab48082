"""Letters on a terminal, and for programs."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Any

from streaming_runtime.core.model import timestamp
from streaming_runtime.dead_letters.safe_text import safe
from streaming_runtime.kafka.dead_letters import Letter

MOST_VALUE = 4_096
MOST_KEY = 22
MOST_REASON = 80
COLUMNS = ("LETTER", "SOURCE", "GIVEN UP AT", "STREAM", "BYTES", "REASON")


def table(letters: Sequence[Letter]) -> Iterator[str]:
    """Yield a head and a line for each letter, in columns."""
    rows = [COLUMNS, *(_row(letter) for letter in letters)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]])


def page(letter: Letter, *, is_full: bool) -> Iterator[str]:
    """Yield all of one letter, a value to the line; of a long one the beginning."""
    most = None if is_full else MOST_VALUE
    yield f"letter       {letter.place}"
    yield f"source       {safe(letter.source)}"
    yield f"given up at  {timestamp(letter.timestamp)}, after {safe(letter.attempts)} tries"
    yield f"reason       {safe(letter.reason)}"
    yield f"stream       {safe(letter.key, most)}"
    for name, value in letter.headers:
        yield f"header       {safe(name, most)}: {safe(value, most)}"
    yield f"value        {len(letter.value or b''):,} bytes"
    yield safe(letter.value, most)


def as_json(letter: Letter) -> str:
    """Return one letter on a line, exactly: bytes are base64."""
    return json.dumps(
        {
            "letter": letter.place,
            "source": letter.source,
            "given_up_at": timestamp(letter.timestamp),
            "attempts": letter.attempts,
            "reason": letter.reason,
            "stream_id": None if letter.key is None else letter.key.decode("ascii", "replace"),
            "key": _base64(letter.key),
            "value": _base64(letter.value),
            "headers": [[name, _base64(value)] for name, value in letter.headers],
        }
    )


def _row(letter: Letter) -> tuple[str, ...]:
    return (
        letter.place,
        safe(letter.source),
        timestamp(letter.timestamp),
        safe(letter.key, MOST_KEY),
        f"{len(letter.value or b''):,}",
        safe(letter.reason, MOST_REASON),
    )


def _base64(raw: bytes | None) -> Any:
    return None if raw is None else b64encode(raw).decode()
