"""An answer that is all here, and what the contract says of any of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from .strict_json import Json, parse, parse_object

# Section 2, "Refusals": the status of each code, and whether trying again can help.
STATUS_OF = {
    "invalid-body": 400,
    "invalid-cursor": 400,
    "invalid-parameter": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "unknown-stream": 404,
    "not-found": 404,
    "method-not-allowed": 405,
    "not-acceptable": 406,
    "request-timeout": 408,
    "stream-ended": 409,
    "idempotency-in-progress": 409,
    "position-gone": 410,
    "record-too-large": 413,
    "batch-too-large": 413,
    "idempotency-mismatch": 422,
    "rate-limited": 429,
    "head-too-large": 431,
    "broker-unavailable": 503,
    "outcome-unknown": 503,
    "overloaded": 503,
}
MEMBERS = {"type", "title", "status", "detail", "code", "retriable", "request_id"}


@dataclass(frozen=True)
class Answer:
    """Status, header fields and body of one answer."""

    status: int
    headers: httpx.Headers
    body: bytes = field(repr=False)

    @property
    def media_type(self) -> str:
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()

    def json(self) -> object:
        return parse(self.body)

    def ok(self, status: int = 200) -> Json:
        """Return the JSON object of an answer that must have this status."""
        assert self.status == status, self._instead(f"status {status}")
        assert self.media_type == "application/json", self._instead("application/json")
        return parse_object(self.body)

    def lines(self) -> list[Json]:
        """Return the objects of an NDJSON answer."""
        assert self.status == 200, self._instead("status 200")
        assert self.media_type == "application/x-ndjson", self._instead("application/x-ndjson")
        return [parse_object(line) for line in self.body.splitlines() if line]

    def refused(self, code: str) -> Json:
        """Return the problem of an answer that must be the refusal with this code."""
        status = STATUS_OF[code]
        assert self.status == status, self._instead(f"status {status} with the code {code}")
        expected = "application/problem+json"
        assert self.media_type == expected, self._instead(expected)
        return check_problem(parse_object(self.body), code)

    def _instead(self, expected: str) -> str:
        return f"expected {expected}, came {self.status} {self.media_type} {self.body[:300]!r}"


def check_problem(problem: Mapping[str, object], code: str) -> Json:
    """Return a problem that must have this code, after a look at all its members."""
    assert problem.get("code") == code, f"expected the code {code}, came {problem}"
    missing = MEMBERS - problem.keys()
    assert not missing, f"members are missing: {sorted(missing)} in {problem}"
    assert problem["type"] == f"/problems/{code}"
    assert problem["status"] == STATUS_OF[code]
    for name in ("title", "detail", "request_id"):
        assert isinstance(problem[name], str), f"{name} is no text: {problem}"
        assert problem[name], f"{name} is empty: {problem}"
    assert isinstance(problem["retriable"], bool)
    return dict(problem)
