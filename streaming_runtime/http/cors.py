"""Which pages of other origins may call us from a browser: CORS, decided from a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streaming_runtime.http.answers import Answer

METHODS = "GET, POST"
REQUEST_HEADERS = (
    "accept, authorization, content-type, idempotency-key, last-event-id, prefer, traceparent, "
    "x-api-key"
)
READABLE_HEADERS = (
    "idempotent-replayed, preference-applied, ratelimit, ratelimit-policy, retry-after, "
    "x-request-id"
)
MAX_AGE_SECONDS = 600
ANY = "*"

Fields = list[tuple[bytes, bytes]]


class Cors:
    """Knows the allowed origins; no cookie is a credential here, so none is ever asked for.

    Source:  WHATWG Fetch, section 3.2 (CORS protocol).
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)

    def fields(self, headers: Mapping[bytes, bytes]) -> Fields:
        """Return what every answer to this request carries, refusals and faults included."""
        # Also to a request without Origin: a cache must not show its answer to one with.
        fields = [(b"vary", b"Origin")]
        if self._allows(headers):
            fields += [
                (b"access-control-allow-origin", headers[b"origin"]),
                (b"access-control-expose-headers", READABLE_HEADERS.encode()),
            ]
        return fields

    def preflight(self, headers: Mapping[bytes, bytes]) -> Answer | None:
        """Return the answer to a preflight of an allowed origin, None for any other OPTIONS."""
        if b"access-control-request-method" not in headers or not self._allows(headers):
            return None
        return Answer(
            status=204,
            headers={
                "Access-Control-Allow-Methods": METHODS,
                "Access-Control-Allow-Headers": REQUEST_HEADERS,
                "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
            },
        )

    def _allows(self, headers: Mapping[bytes, bytes]) -> bool:
        origin = headers.get(b"origin", b"").decode("latin-1")
        return bool(origin) and (origin in self._origins or ANY in self._origins)
