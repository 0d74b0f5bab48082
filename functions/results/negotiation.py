"""Which form of results a client accepts; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from streaming_runtime.core.errors import NotAcceptable
from streaming_runtime.http.answers import EVENT_STREAM, JSON, NDJSON

# In this order where a client likes two alike: a page at least ends by itself.
OFFERED = (EVENT_STREAM, JSON, NDJSON)
# Some clients leave out the 0 before the point, and what they mean is clear.
QUALITY = re.compile(r"(?:0(?:\.\d{0,9})?|\.\d{1,9}|1(?:\.0{0,9})?)")


class Range(NamedTuple):
    """One media range of an Accept header."""

    kind: str
    subtype: str
    quality: float

    def fits(self, media_type: str) -> bool:
        kind, _, subtype = media_type.partition("/")
        return self.kind in ("*", kind) and self.subtype in ("*", subtype)

    @property
    def exactness(self) -> int:
        """How much is named: 2 for a type and subtype, 0 for a wildcard."""
        return (self.kind != "*") + (self.subtype != "*")


@lru_cache(maxsize=256)  # Clients are many and say few different things.
def chosen_form(accept: str) -> str:
    """Return the media type of the answer.

    Shape:   each form has the quality of the most exact range that fits it. The best is taken; of
             two alike the one that is named more exactly, then the one that comes first there.
    Raises:  NotAcceptable.
    Source:  RFC 9110, section 12.5.1.
    """
    if not accept.strip():
        return EVENT_STREAM
    ranges = [found for part in accept.split(",") if (found := _range(part)) is not None]
    rated = [(_rating(form, ranges), form) for form in OFFERED]
    # max() keeps the first of two alike, which is ours to prefer.
    rating, form = max(rated, key=lambda candidate: candidate[0])
    if rating[0] <= 0:
        raise NotAcceptable(f"Accept one of {', '.join(OFFERED)}")
    return form


def names_event_stream(accept: str) -> bool:
    """Say whether a client asks for an event stream by name, as every EventSource does."""
    return EVENT_STREAM in accept.lower()


def _rating(form: str, ranges: Sequence[Range]) -> tuple[float, int, int]:
    fitting = [(r.exactness, -place, r.quality) for place, r in enumerate(ranges) if r.fits(form)]
    exactness, place, quality = max(fitting, default=(0, 0, 0.0))
    return quality, exactness, place


def _range(text: str) -> Range | None:
    """Read one range; None for what is none, which is passed over."""
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    kind, slash, subtype = name.partition("/")
    if name == "*":  # Java's own client sends this.
        kind, slash, subtype = "*", "/", "*"
    if not (slash and kind and subtype) or (kind == "*" and subtype != "*"):
        return None
    qualities = [p.partition("=")[2].strip() for p in parameters if p.partition("=")[0] == "q"]
    if any(QUALITY.fullmatch(quality) is None for quality in qualities):
        return None
    return Range(kind, subtype, float(qualities[0]) if qualities else 1.0)
