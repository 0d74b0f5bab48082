"""Keys on a terminal and for programs; nothing of their secrets is among what is kept of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from streaming_runtime.core.api_keys import IssuedKey
from streaming_runtime.core.key_entries import to_entry
from streaming_runtime.core.model import timestamp
from streaming_runtime.core.principals import EVERY_STREAM, SCOPES

COLUMNS = ("ID", "TENANT", "STATE", "MADE", "ENDS", "SCOPES", "STREAMS", "LABEL")
DIGEST_FIELDS = ("digest", "pepper")


def table(keys: Sequence[IssuedKey], now_ms: int) -> Iterator[str]:
    """Yield a head and a line for each key, in columns."""
    rows = [COLUMNS, *(_row(key, now_ms) for key in keys)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def as_json(key: IssuedKey, now_ms: int) -> str:
    entry = {name: value for name, value in to_entry(key).items() if name not in DIGEST_FIELDS}
    return json.dumps({**entry, "state": state(key, now_ms)})


def state(key: IssuedKey, now_ms: int) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "counts" if key.counts(now_ms) else "expired"


def rights(key: IssuedKey) -> str:
    """Say what a key is for, in a few words."""
    scopes = ", ".join(scope for scope in SCOPES if scope in key.scopes)
    streams = "" if key.streams == EVERY_STREAM else f" on streams {key.streams}"
    ends = "" if key.expires_at is None else f", until {timestamp(key.expires_at)}"
    return f"{scopes}{streams}{ends}"


def _row(key: IssuedKey, now_ms: int) -> tuple[str, ...]:
    ends_at = key.revoked_at if key.revoked_at is not None else key.expires_at
    return (
        key.key_id,
        _safe(key.tenant),
        state(key, now_ms),
        timestamp(key.created_at)[:19],
        "never" if ends_at is None else timestamp(ends_at)[:19],
        ",".join(scope for scope in SCOPES if scope in key.scopes),
        _safe(key.streams),
        _safe(key.label or ""),
    )


def _safe(text: str) -> str:
    """Return text that steers no terminal: what is kept may come from another program."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
