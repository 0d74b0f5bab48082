"""The query of a reading: header, cursor, from, since, tail, until, limit; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from streaming_runtime.core.errors import InvalidParameter
from streaming_runtime.core.reading import Start

PLACES = ("cursor", "from", "since", "tail")
MAX_LIMIT = 1_000
MAX_ENDLESS_LIMIT = 1_000_000_000
MAX_TAIL = 10_000
DEFAULT_PAGE = 100
MAX_WAIT_SECONDS = 25
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
# Python reads more of ISO 8601 than RFC 3339 allows, and less: no small letters, no leap second.
DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:)(\d\d)((?:\.\d+)?(?:Z|[+-]\d\d:\d\d))", re.ASCII
)
LEAP_SECOND = "60"


def start_of(query: Mapping[str, str], last_event_id: str | None, is_page: bool) -> Start:
    """Return where a reading starts.

    Shape:   the Last-Event-ID header wins over the query, since EventSource reconnects with its
             first URL; without either it is the stream's start.
            A page has its own limit: its size, which is no part of the position.
    Raises:  InvalidParameter for two places at once, or an unusable value.
    """
    limit = None if is_page else whole(query, "limit", None, 1, MAX_ENDLESS_LIMIT)
    until_now = _choice(query, "until", ("now",)) == "now"
    bounds: dict[str, Any] = {"limit": limit, "until_now": until_now}
    given = [name for name in PLACES if name in query]
    if len(given) > 1:
        raise InvalidParameter(f"give one of {', '.join(given)}, not {len(given)} at once")
    place = _place(query, given[0]) if given else {}
    if last_event_id:
        place = {"place": "cursor", "cursor": last_event_id}
    return Start(**place, **bounds)


def whole(
    query: Mapping[str, str], name: str, default: int | None, low: int, high: int
) -> int | None:
    """Read a whole number of the query.

    Raises:  InvalidParameter outside ``low`` to ``high``.
    """
    text = query.get(name)
    if text is None:
        return default
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(high))
    if not is_number or not low <= int(text) <= high:
        raise InvalidParameter(f"{name} must be a whole number from {low} to {high}")
    return int(text)


def _place(query: Mapping[str, str], name: str) -> dict[str, Any]:
    if name == "cursor":
        return {"place": "cursor", "cursor": query["cursor"]}
    if name == "from":
        return {"place": _choice(query, "from", ("start", "now"))}
    if name == "since":
        return {"place": "since", "since_ms": moment(query["since"])}
    return {"place": "tail", "tail": whole(query, "tail", None, 1, MAX_TAIL)}


def moment(text: str) -> int:
    """Return milliseconds since 1970 for an RFC 3339 date-time.

    Units:   a part of a millisecond counts as a whole one.
    Raises:  InvalidParameter without an offset: a local time would mean another moment here.
    """
    # In a query "+" is a space; RFC 3339 has none in that place.
    match = DATE_TIME.fullmatch(text.upper().replace(" ", "+"))
    try:
        parsed = _parsed(*match.groups()) if match else None
    except ValueError:
        parsed = None
    if parsed is None:
        raise InvalidParameter("since must be RFC 3339 with an offset, as 2026-01-31T12:00:00Z")
    # Rounded up, in whole numbers: a float would lose the millisecond.
    return -((EPOCH - parsed) // MILLISECOND)


def _parsed(minute: str, second: str, rest: str) -> datetime:
    # A leap second is over when the next one begins, and no clock of ours shows it.
    is_leap = second == LEAP_SECOND
    parsed = datetime.fromisoformat(minute + ("59" if is_leap else second) + rest)
    return parsed.replace(microsecond=999_999) if is_leap else parsed


def _choice(query: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str | None:
    text = query.get(name)
    if text is not None and text not in choices:
        raise InvalidParameter(f"{name} must be one of: {', '.join(choices)}")
    return text
