"""One row of the table of requests that every way into the product answers alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tests.functions.api import KEY, OTHER_KEY
from tests.functions.parity.asked import Asked

KEYED = ("x-api-key", KEY)
OTHER = ("x-api-key", OTHER_KEY)
JSON = ("accept", "application/json")
SSE = ("accept", "text/event-stream")
NDJSON = ("accept", "application/x-ndjson")
LINES = ("content-type", "application/x-ndjson")
# What `curl -d` sends.
FORM = ("content-type", "application/x-www-form-urlencoded")


class Case(NamedTuple):
    """A request, with names of the world in braces in its target and headers.

    Shape:   ``{fresh}`` is a stream that nobody has used. ``is_repeated`` marks a field or a
             parameter that comes twice, which not every kind of event can carry.
    """

    name: str
    status: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = (KEYED,)
    body: bytes = b""
    code: str = ""
    is_repeated: bool = False

    @property
    def needs_fresh(self) -> bool:
        return "{fresh}" in self.target

    def asked(self, world: Mapping[str, str]) -> Asked:
        """Return the request with the names filled in."""
        headers = tuple((name, value.format_map(world)) for name, value in self.headers)
        return Asked(self.method, self.target.format_map(world), headers, self.body)
